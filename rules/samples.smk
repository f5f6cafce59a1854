SAMPLED = sampled(POLICIES, settings.chains)


localrules:
    sample_settings,


rule sample_settings:
    """
    Write the part of the configuration that `sample` reads.

    Needs: no file. Makes: {results}/samples/{policy}.yaml.
    """
    output:
        "<results>/samples/{policy}.yaml",
    log:
        "<results>/logs/samples/{policy}.settings.log",
    wildcard_constraints:
        policy=one_of(SAMPLED),
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(
            stage_settings.sample_settings(settings, SAMPLED[wildcards.policy])
        ),
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"


rule sample:
    """
    Draw samples of a policy's answers to every training question, for chains and pass rates.

    Needs: {results}/{policy}/model/, the train split, a passed data check. Makes: {results}/samples/{policy}.jsonl (the
    same bytes for the same checkpoint); .{policy}/ beside it lets a killed job resume.
    """
    input:
        settings="<results>/samples/{policy}.yaml",
        examples="<results>/data/train.jsonl",
        images=ancient("<results>/data/images/train"),
        checked=ancient("<results>/data/summary.json"),
        model=ancient("<results>/{policy}/model"),
        manifest="<results>/{policy}/model.json",
    output:
        "<results>/samples/{policy}.jsonl",
    log:
        "<results>/logs/samples/{policy}.log",
    benchmark:
        "<results>/benchmarks/samples/{policy}.tsv"
    wildcard_constraints:
        policy=one_of(SAMPLED),
    conda:
        "../environment.yml"
    threads: settings.launch.answer.threads
    resources:
        **launched("answer"),
    params:
        *code("sample.py"),
        scripts=unrecorded(SCRIPTS),
        data=subpath(input.examples, parent=True),
        policy=subpath(input.manifest, parent=True),
    shell:
        "exec python {params.scripts:q}/sample.py --settings {input.settings:q} --data {params.data:q}"
        " --policy {params.policy:q} --output {output:q}"
        " --topology {resources.topology:q} --processes {resources.processes:q} > {log:q} 2>&1"


rule pass_rates:
    """
    Count the right samples of each training question, which decide what RL asks; a change of matching draws none again.

    Needs: {results}/samples/ of the policy that `pass_rate.of` names, the train split. Makes:
    {results}/{policy}/pass_rates.json.
    """
    input:
        samples=lambda wildcards: f"<results>/samples/{POLICIES[wildcards.policy].rated_by.of}.jsonl",
        examples="<results>/data/train.jsonl",
    output:
        reported(
            "<results>/{policy}/pass_rates.json",
            "pass_rates",
            "Chains and questions",
            labels={"of": "{policy}"},
        ),
    log:
        "<results>/logs/{policy}/pass_rates.log",
    benchmark:
        "<results>/benchmarks/{policy}/pass_rates.tsv"
    wildcard_constraints:
        policy=one_of(name for name, policy in POLICIES.items() if policy.rated_by),
    conda:
        "../environment.yml"
    params:
        *code("pass_rates.py"),
        scripts=unrecorded(SCRIPTS),
        drawn=lambda wildcards: POLICIES[wildcards.policy].rated_by.samples,
        data=subpath(input.examples, parent=True),
    shell:
        "exec python {params.scripts:q}/pass_rates.py --samples {input.samples:q} --data {params.data:q}"
        " --count {params.drawn} --output {output:q} > {log:q} 2>&1"
