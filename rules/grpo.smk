rule grpo:
    """
    Reinforcement learning with GRPO, GSPO and other losses of TRL, of an adapter (`grpo_in_full`: of every weight).

    Needs: the model or adapter of the policy it starts from, the train split, a passed data check, the pass rates of its
    questions (none for all questions), the val split if it is validated, the reward models among its judges. Makes:
    {results}/{policy}/adapter/, adapter.json (in full: model/, model.json) and the curves metrics.json; checkpoints/ and tensorboard/ beside them are
    not declared, so they survive a killed job.
    """
    input:
        settings="<results>/{policy}/train.yaml",
        examples="<results>/data/train.jsonl",
        images=ancient("<results>/data/images/train"),
        # Training only needs that the check passed: a change of the test split must not rerun it.
        checked=ancient("<results>/data/summary.json"),
        start=ancient(of_origin("<results>/{origin}/{start}")),
        manifest=of_origin("<results>/{origin}/{start}.json"),
        rates=rated,
        val=if_validated("<results>/data/val.jsonl"),
        val_images=ancient(if_validated("<results>/data/images/val")),
        base=ancient(if_continued("<results>/{base}/model")),
        base_manifest=if_continued("<results>/{base}/model.json"),
        judges=lambda wildcards: stage_settings.judge_files(settings, wildcards.policy),
    output:
        trained=directory("<results>/{policy}/adapter"),
        manifest="<results>/{policy}/adapter.json",
        metrics=reported(
            "<results>/{policy}/metrics.json",
            "training",
            "Training",
            labels={"policy": "{policy}"},
        ),
    log:
        "<results>/logs/{policy}/grpo.log",
    benchmark:
        "<results>/benchmarks/{policy}/grpo.tsv"
    wildcard_constraints:
        policy=made_by("grpo", adapted=True),
    conda:
        "../environment.yml"
    threads: settings.launch.grpo.threads
    resources:
        **launched("grpo"),
    params:
        *code("grpo.py"),
        scripts=unrecorded(SCRIPTS),
        own_rewards=own_rewards,
        data=subpath(input.checked, parent=True),
        origin=subpath(input.manifest, parent=True),
        policy=subpath(output.manifest, parent=True),
        trackers=trackers,
        replies=unrecorded(stage_settings.reply_store(settings)),
        # Not recorded, as with `unrecorded`: how judges are asked decides no grade.
        judges=lambda wildcards, output: stage_settings.judge_control(
            settings, wildcards.policy
        ),
        rates=lambda wildcards, input: [f"--rates={path}" for path in input.rates],
    shell:
        "exec python {params.scripts:q}/grpo.py --settings {input.settings:q} --data {params.data:q} {params.rates:q}"
        " --from {params.origin:q} --output {params.policy:q} --judges {params.judges:q} --replies {params.replies:q} {params.trackers:q}"
        " --topology {resources.topology:q} --processes {resources.processes:q} > {log:q} 2>&1"


use rule grpo as grpo_in_full with:
    output:
        trained=directory("<results>/{policy}/model"),
        manifest="<results>/{policy}/model.json",
        metrics=reported(
            "<results>/{policy}/metrics.json",
            "training",
            "Training",
            labels={"policy": "{policy}"},
        ),
    wildcard_constraints:
        policy=made_by("grpo", adapted=False),
