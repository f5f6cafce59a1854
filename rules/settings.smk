# The part of the configuration that one stage reads, as a file: what makes the stage rerun, what the report can cite,
# and what is needed to run the stage by hand.
# Needs: nothing. Makes: {results}/data/{split}.yaml, {results}/{policy}/train.yaml and eval.yaml.


localrules:
    data_settings,
    train_settings,
    eval_settings,


rule data_settings:
    output:
        "<results>/data/{split}.yaml",
    log:
        "<results>/logs/settings/data.{split}.log",
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(
            stage_settings.data_settings(config, wildcards.split)
        ),
    shell:
        "printf '%s' {params.settings:q} > {output} 2> {log}"


rule train_settings:
    output:
        "<results>/{policy}/train.yaml",
    log:
        "<results>/logs/settings/{policy}.train.log",
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(
            stage_settings.train_settings(config, wildcards.policy)
        ),
    shell:
        "printf '%s' {params.settings:q} > {output} 2> {log}"


rule eval_settings:
    output:
        "<results>/{policy}/eval.yaml",
    log:
        "<results>/logs/settings/{policy}.eval.log",
    conda:
        "../environment.yml"
    params:
        settings=as_yaml(stage_settings.eval_settings(config)),
    shell:
        "printf '%s' {params.settings:q} > {output} 2> {log}"
