rule model_card:
    """
    Write the model card of a trained policy: base, data, settings, scores with intervals, what speaks against them, and
    how to load it.

    Needs: eval.json, answer.yaml, metrics.json and train.yaml of the policy, merge.json of an adapter,
    data/summary.json, the cards of policy and base. Makes: {results}/{policy}/model_card.md, and the same as README.md
    in {results}/{policy}/model/, whose manifest does not list it: no stage reads a card.
    """
    input:
        settings="<results>/{policy}/train.yaml",
        asked="<results>/{policy}/answer.yaml",
        evaluation="<results>/{policy}/eval.json",
        metrics="<results>/{policy}/metrics.json",
        proof=lambda wildcards: (
            ["<results>/{policy}/merge.json"] if wildcards.policy in ADAPTED else []
        ),
        summary="<results>/data/summary.json",
        manifest="<results>/{policy}/model.json",
        # Not `ancient`: a model that is made again has lost its card.
        model="<results>/{policy}/model",
        base=ancient(f"<results>/{BASE}/model"),
    output:
        "<results>/{policy}/model_card.md",
    log:
        "<results>/logs/{policy}/model_card.log",
    benchmark:
        "<results>/benchmarks/{policy}/model_card.tsv"
    wildcard_constraints:
        policy=one_of(POLICIES),
    conda:
        "../environment.yml"
    params:
        *code("model_card.py"),
        scripts=unrecorded(SCRIPTS),
        policy=subpath(output[0], parent=True),
        facts=lambda wildcards: json.dumps(
            card_facts.card_facts(settings, wildcards.policy)
        ),
    shell:
        "exec python {params.scripts:q}/model_card.py --policy {params.policy:q} --facts {params.facts:q} > {log:q} 2>&1"
