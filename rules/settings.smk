localrules:
    data_settings,
    policy_settings,
    answer_settings,


rule data_settings:
    """
    Write the part of the configuration that `prepare_data` reads for one split.

    Needs: no file. Makes: {results}/data/{split}.yaml.
    """
    output:
        "<results>/data/{split}.yaml",
    log:
        "<results>/logs/data/settings.{split}.log",
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(
            stage_settings.data_settings(settings, wildcards.split)
        ),
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"


rule policy_settings:
    """
    Write the part of the configuration that makes one policy: a change of it reruns the stage, and the stage's script
    needs no other settings.

    Needs: no file. Makes: {results}/{policy}/train.yaml.
    """
    output:
        "<results>/{policy}/train.yaml",
    log:
        "<results>/logs/{policy}/settings.log",
    conda:
        "../environment.yml"
    params:
        settings=of_policy,
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"


rule answer_settings:
    """
    Write the part of the configuration that `answer` reads, the same for every policy.

    Needs: no file. Makes: {results}/{policy}/answer.yaml.
    """
    output:
        "<results>/{policy}/answer.yaml",
    log:
        "<results>/logs/{policy}/answer_settings.log",
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(stage_settings.answer_settings(settings)),
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"
