# Questions, answers and chains in one form, images normalised and within the pixel budget; then a check over all splits.
# Needs: the raw files that data.splits names (digits: the scans). Makes: {results}/data/{split}.jsonl, images/{split}/,
# rejected.{split}.jsonl (records set aside, with the reason) and summary.json.


rule prepare_data:
    input:
        settings="<results>/data/{split}.yaml",
        raw=raw_file,
        raw_images=ancient(raw_images),
    output:
        examples="<results>/data/{split}.jsonl",
        rejected="<results>/data/rejected.{split}.jsonl",
        images=directory("<results>/data/images/{split}"),
    log:
        "<results>/logs/prepare_data/{split}.log",
    benchmark:
        "<results>/benchmarks/prepare_data/{split}.tsv"
    conda:
        "../environment.yml"
    params:
        *code("prepare_data.py"),
        data=subpath(output.examples, parent=True),
    shell:
        "python workflow/scripts/prepare_data.py --settings {input.settings} --split {wildcards.split}"
        " --output {params.data} > {log} 2>&1"


rule check_data:
    input:
        expand("<results>/data/{split}.jsonl", split=SPLITS),
        expand("<results>/data/rejected.{split}.jsonl", split=SPLITS),
        gqa=gqa_files().get("questions", []),
    output:
        "<results>/data/summary.json",
    log:
        "<results>/logs/check_data.log",
    benchmark:
        "<results>/benchmarks/check_data.tsv"
    conda:
        "../environment.yml"
    params:
        *code("check_data.py"),
        splits=SPLITS,
        data=subpath(output[0], parent=True),
        gqa="--gqa-questions" if "questions" in gqa_files() else "",
    shell:
        "python workflow/scripts/check_data.py --data {params.data} --splits {params.splits}"
        " --output {output} {params.gqa} {input.gqa} > {log} 2>&1"
