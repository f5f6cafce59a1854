rule sft:
    """
    Supervised fine-tuning on chains of thought, of an adapter (`sft_in_full`: of every weight).

    Needs: the model or adapter of the policy it starts from, the train and val splits, a passed data check, the set of
    chains that it learns from (none for the data's own). Makes:
    {results}/{policy}/adapter/, adapter.json (in full: model/, model.json) and the curves metrics.json; checkpoints/ and tensorboard/ beside them are
    not declared, so they survive a killed job.
    """
    input:
        settings="<results>/{policy}/train.yaml",
        examples=expand("<results>/data/{split}.jsonl", split=["train", "val"]),
        images=ancient(expand("<results>/data/images/{split}", split=["train", "val"])),
        # Training only needs that the check passed: a change of the test split must not rerun it.
        checked=ancient("<results>/data/summary.json"),
        start=ancient(of_origin("<results>/{origin}/{start}")),
        manifest=of_origin("<results>/{origin}/{start}.json"),
        chains=taught,
        base=ancient(if_continued("<results>/{base}/model")),
        base_manifest=if_continued("<results>/{base}/model.json"),
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
        "<results>/logs/{policy}/sft.log",
    benchmark:
        "<results>/benchmarks/{policy}/sft.tsv"
    wildcard_constraints:
        policy=made_by("sft", adapted=True),
    conda:
        "../environment.yml"
    threads: settings.launch.sft.threads
    resources:
        **launched("sft"),
    params:
        *code("sft.py"),
        scripts=unrecorded(SCRIPTS),
        data=subpath(input.checked, parent=True),
        origin=subpath(input.manifest, parent=True),
        policy=subpath(output.manifest, parent=True),
        trackers=trackers,
        chains=lambda wildcards, input: [f"--chains={path}" for path in input.chains],
    shell:
        "exec python {params.scripts:q}/sft.py --settings {input.settings:q} --data {params.data:q} {params.chains:q}"
        " --from {params.origin:q} --output {params.policy:q} {params.trackers:q}"
        " --topology {resources.topology:q} --processes {resources.processes:q} > {log:q} 2>&1"


use rule sft as sft_in_full with:
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
        policy=made_by("sft", adapted=False),
