# Reinforcement learning from the merged SFT model; one rule for every policy under `rl:` (GRPO, GSPO, ...).
# Needs: the merged SFT model, the train split, a passed data check. Makes: {results}/{policy}/adapter/, adapter.json and
# metrics.json; checkpoints/ and tensorboard/ beside them are not declared, so they survive a killed job.


rule grpo:
    input:
        settings="<results>/{policy}/train.yaml",
        examples="<results>/data/train.jsonl",
        images=ancient("<results>/data/images/train"),
        # Only that it passed matters: what it says of the test split must not make training rerun.
        checked=ancient("<results>/data/summary.json"),
        model=ancient("<results>/sft/model"),
        manifest="<results>/sft/model.json",
    output:
        adapter=directory("<results>/{policy}/adapter"),
        manifest="<results>/{policy}/adapter.json",
        metrics="<results>/{policy}/metrics.json",
    log:
        "<results>/logs/grpo/{policy}.log",
    benchmark:
        "<results>/benchmarks/grpo/{policy}.tsv"
    wildcard_constraints:
        policy="|".join(RL_POLICIES),
    conda:
        "../environment.yml"
    threads: config["launch"]["rl"]["threads"]
    resources:
        **launched("rl"),
    params:
        *code("train_grpo.py"),
        own_rewards=own_rewards,
        data=subpath(input.examples, parent=True),
        parent=subpath(input.manifest, parent=True),
        policy=subpath(output.manifest, parent=True),
    shell:
        "python workflow/scripts/train_grpo.py --settings {input.settings} --data {params.data}"
        " --parent {params.parent} --output {params.policy}"
        " --topology {resources.topology} --processes {resources.processes} > {log} 2>&1"
