TEMPLATE = paths.WORKFLOW / "report" / "report.html.j2"
TRAINED = [name for name in REPORT if name != BASE]
MERGED = [name for name in TRAINED if name in ADAPTED]
# The policies of the report that learn from each set that is made, and those whose questions are chosen.
CHAIN_SETS = {
    chosen: [name for name in TRAINED if POLICIES[name].chain_set == chosen]
    for chosen in settings.chains
    if any(POLICIES[name].chain_set == chosen for name in TRAINED)
}
RATED = [name for name in TRAINED if POLICIES[name].rated_by]


rule report:
    """
    Show the report's policies side by side on one page that needs only a browser.

    Needs: data/summary.json, eval.json of every policy, comparisons.json, metrics.json of the trained policies,
    merge.json of the adapters; chains/{chains}.json and pass_rates.json, where there are any; seeds.json with several
    seeds. Makes: {results}/report.html.
    """
    input:
        summary="<results>/data/summary.json",
        evaluations=expand("<results>/{policy}/eval.json", policy=REPORT),
        comparisons="<results>/comparisons.json",
        seeds="<results>/seeds.json" if settings.seeds else [],
        curves=expand("<results>/{policy}/metrics.json", policy=TRAINED),
        proofs=expand("<results>/{policy}/merge.json", policy=MERGED),
        chains=expand("<results>/chains/{chains}.json", chains=CHAIN_SETS),
        rates=expand("<results>/{policy}/pass_rates.json", policy=RATED),
    output:
        "<results>/report.html",
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/benchmarks/report.tsv"
    conda:
        "../environment.yml"
    params:
        *code("report.py"),
        scripts=unrecorded(SCRIPTS),
        template=unrecorded(TEMPLATE),
        # Compared by content, not by time: a checkout gives every file a new time.
        template_hash=sha256_of(TEMPLATE),
        policies=REPORT,
        losses=[
            f"{name}={METHODS[POLICIES[name].method].loss_title}" for name in TRAINED
        ],
        merged=MERGED,
        results=subpath(output[0], parent=True),
        seeds="--seeds" if settings.seeds else "",
        chains=[f"{chosen}={','.join(names)}" for chosen, names in CHAIN_SETS.items()],
        origins=[f"{name}={POLICIES[name].from_policy}" for name in TRAINED],
        keep=[
            f"{name}={','.join(map(str, POLICIES[name].rated_by.keep))}"
            for name in RATED
        ],
    shell:
        "exec python {params.scripts:q}/report.py --results {params.results:q} --policies {params.policies:q}"
        " --losses {params.losses:q} --merged {params.merged:q}"
        " --template {params.template:q} {params.seeds} --chains {params.chains:q} --keep {params.keep:q} --origins {params.origins:q}"
        " --output {output:q} > {log:q} 2>&1"
