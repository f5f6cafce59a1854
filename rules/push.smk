localrules:
    push,


rule push:
    """
    Upload a policy's published folder with its card to the Hugging Face Hub. No default target needs it.

    Needs: {results}/{policy}/model/ and model_card.md, `push.repo`, the environment variable HF_TOKEN. Makes:
    {results}/{policy}/pushed.json.
    """
    input:
        card="<results>/{policy}/model_card.md",
        manifest="<results>/{policy}/model.json",
        model=ancient("<results>/{policy}/model"),
    output:
        "<results>/{policy}/pushed.json",
    log:
        "<results>/logs/{policy}/push.log",
    wildcard_constraints:
        policy=one_of(POLICIES),
    conda:
        "../environment.yml"
    params:
        scripts=unrecorded(SCRIPTS),
        policy=subpath(output[0], parent=True),
        repo=repository_of,
        public="" if settings.push.private else "--public",
    shell:
        "exec python {params.scripts:q}/push.py --policy {params.policy:q} --repo {params.repo:q} {params.public}"
        " > {log:q} 2>&1"
