rule compare:
    """
    Compare every pair of the report's policies, question by question, and test which differences are more than chance.

    Needs: predictions.jsonl of every policy, the test split. Makes: {results}/comparisons.json.
    """
    input:
        expand("<results>/{policy}/predictions.jsonl", policy=REPORT),
        asked=ancient("<results>/data/test.jsonl"),
    output:
        reported(
            "<results>/comparisons.json",
            "comparisons",
            "Scores",
            labels={"policy": "all, in pairs"},
        ),
    log:
        "<results>/logs/compare.log",
    benchmark:
        "<results>/benchmarks/compare.tsv"
    conda:
        "../environment.yml"
    params:
        *code("compare.py"),
        scripts=unrecorded(SCRIPTS),
        policies=REPORT,
        results=subpath(output[0], parent=True),
    shell:
        "exec python {params.scripts:q}/compare.py --results {params.results:q} --policies {params.policies:q}"
        " --asked {input.asked:q} --output {output:q} > {log:q} 2>&1"
