# The policies of this run that learn from the data's chains of thought: data without chains is refused for them.
LEARN_FROM_CHAINS = settings.learning_from_data


rule prepare_data:
    """
    Bring questions, answers and chains of one split into one form, and its images into the pixel budget.

    Needs: the raw files that data.splits names (digits: the scans), and the user's own module that `convert` names.
    Makes: {results}/data/{split}.jsonl, images/{split}/, rejected.{split}.jsonl (records set aside, with the reason)
    and sources.{split}.jsonl (the file and line of each record; nothing reads it). Archives are unpacked into .unpacked/.
    """
    input:
        settings="<results>/data/{split}.yaml",
        raw=raw_files,
        raw_images=ancient(raw_images),
    output:
        examples="<results>/data/{split}.jsonl",
        rejected="<results>/data/rejected.{split}.jsonl",
        sources="<results>/data/sources.{split}.jsonl",
        images=directory("<results>/data/images/{split}"),
    log:
        "<results>/logs/data/prepare_data.{split}.log",
    benchmark:
        "<results>/benchmarks/data/prepare_data.{split}.tsv"
    conda:
        "../environment.yml"
    threads: settings.launch.prepare_data.threads
    params:
        *code("prepare_data.py"),
        scripts=unrecorded(SCRIPTS),
        own_conversions=own_conversions,
        scans=lambda wildcards: scans(
            any(
                source.source == "digits"
                for source in settings.data.sources(wildcards.split)
            )
        ),
        data=subpath(output.examples, parent=True),
    shell:
        "exec python {params.scripts:q}/prepare_data.py --settings {input.settings:q} --split {wildcards.split}"
        " --output {params.data:q} --threads {threads} > {log:q} 2>&1"


rule check_data:
    """
    Check all splits together: no image in two of them, GQA's ids, chains for the policies that learn from chains.

    Needs: every prepared split. Makes: {results}/data/summary.json, with counts.
    """
    input:
        expand("<results>/data/{split}.jsonl", split=SPLITS),
        expand("<results>/data/rejected.{split}.jsonl", split=SPLITS),
        **gqa_files(),
    output:
        reported(
            "<results>/data/summary.json",
            "data",
            "Data",
            labels={"file": "summary.json"},
        ),
    log:
        "<results>/logs/data/check_data.log",
    benchmark:
        "<results>/benchmarks/data/check_data.tsv"
    conda:
        "../environment.yml"
    params:
        *code("check_data.py"),
        scripts=unrecorded(SCRIPTS),
        splits=SPLITS,
        data=subpath(output[0], parent=True),
        chains=["--chains-for", *LEARN_FROM_CHAINS] if LEARN_FROM_CHAINS else [],
        near_duplicates=settings.data.max_near_duplicate_share,
        gqa=[f"--gqa-{name}={path}" for name, path in gqa_files().items()],
    shell:
        "exec python {params.scripts:q}/check_data.py --data {params.data:q} --splits {params.splits:q}"
        " --output {output:q} --max-near-duplicate-share {params.near_duplicates} {params.chains:q} {params.gqa:q}"
        " > {log:q} 2>&1"
