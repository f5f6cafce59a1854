# Every pair of policies, question by question: which differences are more than chance.
# Needs: predictions.jsonl of every policy. Makes: {results}/comparisons.json.


rule compare:
    input:
        expand(
            "<results>/{policy}/predictions.jsonl",
            policy=stage_settings.policies(config),
        ),
    output:
        "<results>/comparisons.json",
    log:
        "<results>/logs/compare.log",
    benchmark:
        "<results>/benchmarks/compare.tsv"
    conda:
        "../environment.yml"
    params:
        *code("compare_policies.py"),
        policies=stage_settings.policies(config),
        results=subpath(output[0], parent=True),
    shell:
        "python workflow/scripts/compare_policies.py --results {params.results} --policies {params.policies}"
        " --output {output} > {log} 2>&1"
