localrules:
    plan,


rule plan:
    """
    Print the graph of policies, and for each stage the parts of its batch and the memory that it needs of each device.

    Needs: the settings of every stage, the base model's configuration (fetched, for a hub id). Makes: no file.
    """
    input:
        expand("<results>/{policy}/train.yaml", policy=[BASE, *settings.made]),
        answer="<results>/base/answer.yaml",
    log:
        "<results>/logs/plan.log",
    conda:
        "../environment.yml"
    params:
        results=subpath(input.answer, ancestor=2),
        policies=settings.made,
        report=REPORT,
        launch=json.dumps(
            {
                stage: settings.launch.of(stage).as_dict()
                for stage in [*METHODS, "answer"]
            }
        ),
    shell:
        "python workflow/scripts/plan.py --results {params.results} --policies {params.policies}"
        " --report {params.report} --launch {params.launch:q} 2> {log}"
