# Supervised fine-tuning of the base on chains of thought.
# Needs: the base, the train and val splits, a passed data check. Makes: {results}/sft/adapter/, its manifest adapter.json
# (with lora null: model/ and model.json) and the curves metrics.json; checkpoints/ and tensorboard/ beside them are not
# declared, so they survive a killed job.
SFT_MAKES = "adapter" if "sft" in ADAPTED else "model"


rule sft:
    input:
        settings="<results>/sft/train.yaml",
        examples=expand("<results>/data/{split}.jsonl", split=["train", "val"]),
        images=ancient(expand("<results>/data/images/{split}", split=["train", "val"])),
        # Only that it passed matters: what it says of the test split must not make training rerun.
        checked=ancient("<results>/data/summary.json"),
        model=ancient("<results>/base/model"),
        manifest="<results>/base/model.json",
    output:
        trained=directory(f"<results>/sft/{SFT_MAKES}"),
        manifest=f"<results>/sft/{SFT_MAKES}.json",
        metrics="<results>/sft/metrics.json",
    log:
        "<results>/logs/sft.log",
    benchmark:
        "<results>/benchmarks/sft.tsv"
    conda:
        "../environment.yml"
    threads: config["launch"]["sft"]["threads"]
    resources:
        **launched("sft"),
    params:
        *code("train_sft.py"),
        data=subpath(input.checked, parent=True),
        parent=subpath(input.manifest, parent=True),
        policy=subpath(output.manifest, parent=True),
    shell:
        "python workflow/scripts/train_sft.py --settings {input.settings} --data {params.data}"
        " --parent {params.parent} --output {params.policy}"
        " --topology {resources.topology} --processes {resources.processes} > {log} 2>&1"
