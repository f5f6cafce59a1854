# The policy that everything starts from: a published checkpoint laid out as a folder, or a tiny one built and trained.
# Needs: base_model.*; the texts of the training split for a tiny one, or the files of a local checkpoint. Makes: {results}/base/model/ and its manifest model.json.


rule base_model:
    input:
        settings="<results>/base/train.yaml",
        made_from=base_files,
    output:
        model=directory("<results>/base/model"),
        manifest="<results>/base/model.json",
    log:
        "<results>/logs/base_model.log",
    benchmark:
        "<results>/benchmarks/base_model.tsv"
    conda:
        "../environment.yml"
    threads: config["launch"]["base_model"]["threads"]
    params:
        *code("build_base.py"),
        results=subpath(input.settings, ancestor=2),
        policy=subpath(output.manifest, parent=True),
    shell:
        "python workflow/scripts/build_base.py --settings {input.settings} --data {params.results}/data"
        " --output {params.policy} > {log} 2>&1"
