# What every stage will need of each device's memory, and how its batch is made up; prints, and runs nothing else.
# Needs: the settings of every stage, the base model's configuration (fetched, for a hub id). Makes: nothing.


localrules:
    plan,


rule plan:
    input:
        expand("<results>/{policy}/train.yaml", policy=["base", "sft", *RL_POLICIES]),
        evaluation="<results>/base/eval.yaml",
    log:
        "<results>/logs/plan.log",
    conda:
        "../environment.yml"
    params:
        results=subpath(input.evaluation, ancestor=2),
        policies=RL_POLICIES,
        launch=json.dumps(
            {stage: config["launch"][stage] for stage in ("sft", "rl", "evaluate")}
        ),
    shell:
        "python workflow/scripts/plan_memory.py --results {params.results} --policies {params.policies}"
        " --launch {params.launch:q} 2> {log}"
