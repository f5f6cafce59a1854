rule evaluate:
    """
    Score the answers of one policy; a change of matching or statistics alone asks it no question again.

    Needs: {results}/{policy}/answers.jsonl, the test split that it must answer, and GQA's own files where they are
    configured. Makes: {results}/{policy}/predictions.jsonl and eval.json (the same bytes for the same answers). The
    trackers, if any are named, are told of the scores; none of them can fail the job.
    """
    input:
        **gqa_files(),
        answers="<results>/{policy}/answers.jsonl",
        asked=ancient("<results>/data/test.jsonl"),
    output:
        predictions="<results>/{policy}/predictions.jsonl",
        metrics=reported(
            "<results>/{policy}/eval.json",
            "evaluation",
            "Scores",
            labels={"policy": "{policy}"},
        ),
    log:
        "<results>/logs/{policy}/evaluate.log",
    benchmark:
        "<results>/benchmarks/{policy}/evaluate.tsv"
    conda:
        "../environment.yml"
    params:
        *code("score.py"),
        scripts=unrecorded(SCRIPTS),
        trackers=trackers,
        gqa=[f"--gqa-{name}={path}" for name, path in gqa_files().items()],
    shell:
        "exec python {params.scripts:q}/score.py {input.answers:q} --asked {input.asked:q}"
        " --predictions {output.predictions:q} --out {output.metrics:q} {params.gqa:q} {params.trackers:q} > {log:q} 2>&1"
