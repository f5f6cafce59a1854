from reinforced_cot.report import card_facts, configured_policies, policy_facts

TEMPLATES = paths.WORKFLOW / "report"
TRAINED = [name for name in REPORT if name != BASE]
MERGED = [name for name in TRAINED if name in ADAPTED]
FACTS = configured_policies.facts_of(settings)
# The sets of chains that are made for the report's policies, and the policies whose questions are chosen.
CHAIN_SETS = list(dict.fromkeys(facts.chain_set for facts in FACTS if facts.chain_set))
RATED = [facts.name for facts in FACTS if facts.kept_rates]


rule report:
    """
    Show the report's policies side by side on one page that needs only a browser.

    Needs: data/summary.json, the test split with its images, eval.json and predictions.jsonl of every policy,
    comparisons.json, metrics.json of the trained policies, merge.json of the adapters; chains/{chains}.json and
    pass_rates.json, where there are any; seeds.json with several seeds. Makes: {results}/report.html, and beside it
    report_files/ with the gallery's images and rows, the tables as CSV and the figures as SVG.
    """
    input:
        summary="<results>/data/summary.json",
        asked=ancient("<results>/data/test.jsonl"),
        images=ancient("<results>/data/images/test"),
        evaluations=expand("<results>/{policy}/eval.json", policy=REPORT),
        predictions=expand("<results>/{policy}/predictions.jsonl", policy=REPORT),
        comparisons="<results>/comparisons.json",
        seeds="<results>/seeds.json" if settings.seeds else [],
        curves=expand("<results>/{policy}/metrics.json", policy=TRAINED),
        proofs=expand("<results>/{policy}/merge.json", policy=MERGED),
        chains=expand("<results>/chains/{chains}.json", chains=CHAIN_SETS),
        rates=expand("<results>/{policy}/pass_rates.json", policy=RATED),
    output:
        page="<results>/report.html",
        files=reported(
            directory("<results>/report_files"),
            "report_files",
            "Report",
            patterns=["{kind}/{name}.svg", "{kind}/{name}.csv"],
            subcategory="{kind}",
            labels={"shows": "{name}"},
        ),
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/benchmarks/report.tsv"
    conda:
        "../environment.yml"
    params:
        *code("report.py"),
        scripts=unrecorded(SCRIPTS),
        templates=unrecorded(TEMPLATES),
        # Compared by content, not by time: a checkout gives every file a new time.
        template_hashes=[sha256_of(file) for file in sorted(TEMPLATES.glob("report.*"))],
        policies=lambda wildcards: policy_facts.as_text(FACTS),
        results=subpath(output.page, parent=True),
        seeds="--seeds" if settings.seeds else "",
    shell:
        "exec python {params.scripts:q}/report.py --results {params.results:q} --policies {params.policies:q}"
        " --templates {params.templates:q} {params.seeds} --output {output.page:q} > {log:q} 2>&1"
