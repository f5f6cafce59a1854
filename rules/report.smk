# Every policy side by side on one page that needs nothing but a browser.
# Needs: eval.json of every policy, comparisons.json, metrics.json of the trained ones, merge.json of the adapters;
# seeds.json with several seeds. Makes: {results}/report.html.
TEMPLATE = "workflow/report/report.html.j2"


rule report:
    input:
        summary="<results>/data/summary.json",
        evaluations=expand(
            "<results>/{policy}/eval.json", policy=stage_settings.policies(config)
        ),
        comparisons="<results>/comparisons.json",
        seeds="<results>/seeds.json" if config["seeds"] else [],
        curves=expand("<results>/{policy}/metrics.json", policy=["sft", *RL_POLICIES]),
        proofs=expand("<results>/{policy}/merge.json", policy=ADAPTED),
    output:
        "<results>/report.html",
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/benchmarks/report.tsv"
    conda:
        "../environment.yml"
    params:
        *code("write_report.py"),
        # By content, not by time: a checkout gives every file a new time.
        template=sha256_of(Path(workflow.basedir) / TEMPLATE),
        policies=stage_settings.policies(config),
        merged=ADAPTED,
        results=subpath(output[0], parent=True),
        seeds="--seeds" if config["seeds"] else "",
    shell:
        "python workflow/scripts/write_report.py --results {params.results} --policies {params.policies}"
        " --merged {params.merged}"
        f" --template {TEMPLATE} {{params.seeds}}"
        " --output {output} > {log} 2>&1"
