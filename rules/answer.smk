rule answer:
    """
    Ask one policy every question of the test split: the part of an evaluation that takes a GPU.

    Needs: {results}/{policy}/model/, the test split, a passed data check. Makes: {results}/{policy}/answers.jsonl (the
    same bytes for the same checkpoint) and timing.json; partial_answers/ beside them lets a killed job resume.
    """
    input:
        settings="<results>/{policy}/answer.yaml",
        examples="<results>/data/test.jsonl",
        images=ancient("<results>/data/images/test"),
        checked=ancient("<results>/data/summary.json"),
        model=ancient("<results>/{policy}/model"),
        manifest="<results>/{policy}/model.json",
    output:
        answers="<results>/{policy}/answers.jsonl",
        timing="<results>/{policy}/timing.json",
    log:
        "<results>/logs/{policy}/answer.log",
    benchmark:
        "<results>/benchmarks/{policy}/answer.tsv"
    conda:
        "../environment.yml"
    threads: settings.launch.answer.threads
    resources:
        **launched("answer"),
    params:
        *code("answer.py"),
        scripts=unrecorded(SCRIPTS),
        data=subpath(input.examples, parent=True),
        policy=subpath(input.manifest, parent=True),
    shell:
        "exec python {params.scripts:q}/answer.py --settings {input.settings:q} --data {params.data:q}"
        " --policy {params.policy:q} --topology {resources.topology:q} --processes {resources.processes:q} > {log:q} 2>&1"
