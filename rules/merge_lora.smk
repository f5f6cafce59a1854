# An adapter merged into the model that it was trained on, as a complete checkpoint, with the proof that it is the same.
# Needs: {results}/{policy}/adapter/ and its parent's model; val, where the adapter was trained on a quantized base.
# Makes: {results}/{policy}/model/, model.json and merge.json.


rule merge_lora:
    input:
        settings="<results>/{policy}/train.yaml",
        adapter=ancient("<results>/{policy}/adapter"),
        adapter_manifest="<results>/{policy}/adapter.json",
        model=ancient(of_parent("<results>/{parent}/model")),
        manifest=of_parent("<results>/{parent}/model.json"),
        asked=if_quantized("<results>/data/val.jsonl"),
        images=ancient(if_quantized("<results>/data/images/val")),
    output:
        model=directory("<results>/{policy}/model"),
        manifest="<results>/{policy}/model.json",
        proof="<results>/{policy}/merge.json",
    log:
        "<results>/logs/merge_lora/{policy}.log",
    benchmark:
        "<results>/benchmarks/merge_lora/{policy}.tsv"
    wildcard_constraints:
        policy=one_of(ADAPTED),
    conda:
        "../environment.yml"
    threads: config["launch"]["merge_lora"]["threads"]
    resources:
        **launched("merge_lora"),
    params:
        *code("merge_lora.py"),
        parent=subpath(input.manifest, parent=True),
        data=subpath(input.adapter_manifest, ancestor=2),
        policy=subpath(output.manifest, parent=True),
    shell:
        "python workflow/scripts/merge_lora.py --settings {input.settings} --parent {params.parent}"
        " --output {params.policy} --data {params.data}/data"
        " --topology {resources.topology} --processes {resources.processes} > {log} 2>&1"
