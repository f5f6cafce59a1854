# Reinforcement learning from the merged SFT model, or from SFT's adapter; one rule for every policy under `rl:` (GRPO,
# GSPO, ...), and the same for those that are trained in full.
# Needs: what it starts from, the train split, a passed data check. Makes: {results}/{policy}/adapter/ and adapter.json (in
# full: model/ and model.json), metrics.json; checkpoints/ and tensorboard/ beside them are not declared, so they survive a
# killed job.


rule grpo:
    input:
        settings="<results>/{policy}/train.yaml",
        examples="<results>/data/train.jsonl",
        images=ancient("<results>/data/images/train"),
        # Only that it passed matters: what it says of the test split must not make training rerun.
        checked=ancient("<results>/data/summary.json"),
        start=ancient(of_start("<results>/sft/{start}")),
        manifest=of_start("<results>/sft/{start}.json"),
        base=ancient(if_continued("<results>/base/model")),
        base_manifest=if_continued("<results>/base/model.json"),
    output:
        adapter=directory("<results>/{policy}/adapter"),
        manifest="<results>/{policy}/adapter.json",
        metrics="<results>/{policy}/metrics.json",
    log:
        "<results>/logs/grpo/{policy}.log",
    benchmark:
        "<results>/benchmarks/grpo/{policy}.tsv"
    wildcard_constraints:
        policy=one_of(set(RL_POLICIES) & set(ADAPTED)),
    conda:
        "../environment.yml"
    threads: config["launch"]["rl"]["threads"]
    resources:
        **launched("rl"),
    params:
        *code("train_grpo.py"),
        own_rewards=own_rewards,
        data=subpath(input.examples, parent=True),
        sft=subpath(input.manifest, parent=True),
        policy=subpath(output.manifest, parent=True),
    shell:
        "python workflow/scripts/train_grpo.py --settings {input.settings} --data {params.data}"
        " --sft {params.sft} --output {params.policy}"
        " --topology {resources.topology} --processes {resources.processes} > {log} 2>&1"


use rule grpo as grpo_in_full with:
    output:
        model=directory("<results>/{policy}/model"),
        manifest="<results>/{policy}/model.json",
        metrics="<results>/{policy}/metrics.json",
    wildcard_constraints:
        policy=one_of(set(RL_POLICIES) - set(ADAPTED)),
