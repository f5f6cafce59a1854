rule merge_lora:
    """
    Merge an adapter into the model it was trained on, as a complete checkpoint, and prove that the checkpoint computes
    the same as model and adapter.

    Needs: {results}/{policy}/adapter/ and the model it belongs to; val, where the adapter was trained on a quantized
    base. Makes: {results}/{policy}/model/, model.json and merge.json.
    """
    input:
        settings="<results>/{policy}/train.yaml",
        adapter=ancient("<results>/{policy}/adapter"),
        adapter_manifest="<results>/{policy}/adapter.json",
        model=ancient(of_base("<results>/{base}/model")),
        manifest=of_base("<results>/{base}/model.json"),
        questions=if_quantized("<results>/data/val.jsonl"),
        images=ancient(if_quantized("<results>/data/images/val")),
    output:
        model=directory("<results>/{policy}/model"),
        manifest="<results>/{policy}/model.json",
        proof=reported(
            "<results>/{policy}/merge.json",
            "merge",
            "Merges",
            labels={"policy": "{policy}"},
        ),
    log:
        "<results>/logs/{policy}/merge_lora.log",
    benchmark:
        "<results>/benchmarks/{policy}/merge_lora.tsv"
    wildcard_constraints:
        policy=one_of(ADAPTED),
    conda:
        "../environment.yml"
    threads: settings.launch.merge_lora.threads
    resources:
        **launched("merge_lora"),
    params:
        *code("merge_lora.py"),
        scripts=unrecorded(SCRIPTS),
        base=subpath(input.manifest, parent=True),
        data=subpath(input.adapter_manifest, ancestor=2),
        policy=subpath(output.manifest, parent=True),
    shell:
        "exec python {params.scripts:q}/merge_lora.py --settings {input.settings:q} --base {params.base:q}"
        " --output {params.policy:q} --data {params.data:q}/data"
        " --topology {resources.topology:q} --processes {resources.processes:q} > {log:q} 2>&1"
