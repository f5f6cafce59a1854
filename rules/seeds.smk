# The whole run once more at each of `seeds`, as a module of this workflow, and the mean and spread over all of them.
# Needs: eval.json of every policy at every seed. Makes: {results}/seed_{n}/ (a run of its own) and {results}/seeds.json.
for further in config["seeds"]:
    replica = f"seed_{further}_"

    module:
        name: replica
        snakefile:
            "../Snakefile"
        config:
            stage_settings.replica(config, further)

    use rule * from replica as replica*


rule seeds:
    input:
        [
            f"<results>/{folder}{policy}/eval.json"
            for folder in stage_settings.seed_folders(config).values()
            for policy in stage_settings.policies(config)
        ],
    output:
        "<results>/seeds.json",
    log:
        "<results>/logs/seeds.log",
    benchmark:
        "<results>/benchmarks/seeds.tsv"
    conda:
        "../environment.yml"
    params:
        *code("summarise_seeds.py"),
        seeds=list(stage_settings.seed_folders(config)),
        policies=stage_settings.policies(config),
        results=subpath(output[0], parent=True),
    shell:
        "python workflow/scripts/summarise_seeds.py --results {params.results} --policies {params.policies}"
        " --seeds {params.seeds} --output {output} > {log} 2>&1"
