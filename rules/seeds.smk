# The whole run again at each of `seeds`, as a module of this workflow: {results}/seed_{n}/ is a complete run.
for further in settings.seeds:
    replica = f"seed_{further}_"

    module:
        name: replica
        snakefile:
            "../Snakefile"
        config:
            stage_settings.replica(config, settings.results, further)

    use rule * from replica as replica*


rule seeds:
    """
    Compute mean and spread of every policy's scores over all seeds.

    Needs: eval.json of every policy at every seed. Makes: {results}/seeds.json.
    """
    input:
        [
            f"<results>/{folder}{policy}/eval.json"
            for folder in stage_settings.seed_folders(settings).values()
            for policy in REPORT
        ],
    output:
        reported(
            "<results>/seeds.json",
            "seeds",
            "Scores",
            labels={"policy": "all, over seeds"},
        ),
    log:
        "<results>/logs/seeds.log",
    benchmark:
        "<results>/benchmarks/seeds.tsv"
    conda:
        "../environment.yml"
    params:
        *code("seeds.py"),
        scripts=unrecorded(SCRIPTS),
        seeds=list(stage_settings.seed_folders(settings)),
        policies=REPORT,
        results=subpath(output[0], parent=True),
        starts=[f"{name}={POLICIES[name].from_policy}" for name in TRAINED],
    shell:
        "exec python {params.scripts:q}/seeds.py --results {params.results:q} --policies {params.policies:q}"
        " --seeds {params.seeds:q} --starts {params.starts:q} --output {output:q} > {log:q} 2>&1"
