localrules:
    plan,


rule plan:
    """
    Print the graph of policies, and for each stage the parts of its batch and the memory that it needs of each device.

    Needs: the base model's configuration (fetched, for a hub id); data/ is read if it exists. Makes: no file, so that it
    makes nothing stale.
    """
    log:
        "<results>/logs/plan.log",
    conda:
        "../environment.yml"
    params:
        scripts=unrecorded(SCRIPTS),
        data=f"{settings.results}/data",  # in a param, Snakemake replaces no path variable
        settings=lambda wildcards: json.dumps(
            {
                "base": stage_settings.base_settings(settings).as_dict(),
                "answer": stage_settings.answer_settings(settings).as_dict(),
                "policies": {
                    name: stage_settings.train_settings(settings, name).as_dict()
                    for name in settings.made
                },
                "report": REPORT,
                "launch": {
                    stage: settings.launch.of(stage).as_dict()
                    for stage in [*METHODS, "answer"]
                },
            }
        ),
    shell:
        "printf '%s' {params.settings:q} | python {params.scripts:q}/plan.py --data {params.data:q} 2> {log:q}"
