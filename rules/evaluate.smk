# Every question of the test split, asked of one policy, with its score.
# Needs: {results}/{policy}/model/, the test split, a passed data check. Makes: {results}/{policy}/predictions.jsonl,
# eval.json (the same bytes for the same checkpoint) and timing.json.


rule evaluate:
    input:
        settings="<results>/{policy}/eval.yaml",
        examples="<results>/data/test.jsonl",
        images=ancient("<results>/data/images/test"),
        checked=ancient("<results>/data/summary.json"),
        model=ancient("<results>/{policy}/model"),
        manifest="<results>/{policy}/model.json",
        gqa=[
            config["evaluation"][key]
            for key in ("gqa_questions", "gqa_choices")
            if config["evaluation"][key]
        ],
    output:
        predictions="<results>/{policy}/predictions.jsonl",
        metrics="<results>/{policy}/eval.json",
        timing="<results>/{policy}/timing.json",
    log:
        "<results>/logs/evaluate/{policy}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{policy}.tsv"
    conda:
        "../environment.yml"
    threads: config["launch"]["evaluate"]["threads"]
    resources:
        gpu=config["launch"]["evaluate"]["gpus"],
    params:
        *code("evaluate_policy.py"),
        data=subpath(input.examples, parent=True),
        policy=subpath(input.manifest, parent=True),
    shell:
        "python workflow/scripts/evaluate_policy.py --settings {input.settings} --data {params.data}"
        " --policy {params.policy} --gpus {resources.gpu} > {log} 2>&1"
