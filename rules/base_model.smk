rule base_model:
    """
    Make the policy `base`: copy a published checkpoint into a folder, or build and train a tiny model.

    Needs: the scans of digits and the texts of the training split for a tiny model, or the files of a local checkpoint.
    Makes: {results}/base/model/ and its manifest model.json, which says how well a pretrained tiny model reads.
    """
    input:
        settings="<results>/base/train.yaml",
        made_from=base_files,
        # What is wrong with the data is found before a model is made or fetched.
        checked=ancient("<results>/data/summary.json"),
    output:
        model=directory("<results>/base/model"),
        manifest="<results>/base/model.json",
    log:
        "<results>/logs/base/base_model.log",
    benchmark:
        "<results>/benchmarks/base/base_model.tsv"
    conda:
        "../environment.yml"
    threads: settings.launch.base_model.threads
    params:
        *code("base_model.py"),
        scripts=unrecorded(SCRIPTS),
        scans=scans(settings.base_model.path is None),
        results=subpath(input.settings, ancestor=2),
        policy=subpath(output.manifest, parent=True),
    shell:
        "exec python {params.scripts:q}/base_model.py --settings {input.settings:q} --data {params.results:q}/data"
        " --output {params.policy:q} > {log:q} 2>&1"
