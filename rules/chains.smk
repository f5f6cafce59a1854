localrules:
    chain_settings,


rule chain_settings:
    """
    Write the part of the configuration that makes one set of chains.

    Needs: no file. Makes: {results}/chains/{chains}.yaml.
    """
    output:
        "<results>/chains/{chains}.yaml",
    log:
        "<results>/logs/chains/{chains}.settings.log",
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(
            stage_settings.chain_settings(settings, wildcards.chains)
        ),
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"


rule filter_chains:
    """
    Make a set of chains of thought: of a policy's samples, those that may be taught, or what a user's function writes.

    Needs: {results}/samples/ of the set's policy, or the user's module; the train split, a passed data check. Makes:
    {results}/chains/{chains}.jsonl, and {chains}.json with counts and examples. A set of fewer than `min_chains` is
    refused.
    """
    input:
        settings="<results>/chains/{chains}.yaml",
        examples="<results>/data/train.jsonl",
        checked=ancient("<results>/data/summary.json"),
        samples=chain_samples,
    output:
        chains="<results>/chains/{chains}.jsonl",
        summary="<results>/chains/{chains}.json",
    log:
        "<results>/logs/chains/{chains}.log",
    benchmark:
        "<results>/benchmarks/chains/{chains}.tsv"
    conda:
        "../environment.yml"
    params:
        *code("filter_chains.py"),
        scripts=unrecorded(SCRIPTS),
        own_chains=own_chains,
        data=subpath(input.examples, parent=True),
        samples=lambda wildcards, input: [f"--samples={path}" for path in input.samples],
    shell:
        "exec python {params.scripts:q}/filter_chains.py --settings {input.settings:q} --data {params.data:q}"
        " {params.samples:q} --output {output.chains:q} --summary {output.summary:q} > {log:q} 2>&1"
