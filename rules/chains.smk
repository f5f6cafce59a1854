TEACHERS = [name for name, chosen in settings.chains.items() if chosen.by == "endpoint"]
PROGRAMS = [
    name for name, chosen in settings.chains.items() if chosen.by == "gqa_programs"
]


localrules:
    chain_settings,
    teacher_settings,
    program_settings,


rule chain_settings:
    """
    Write the part of the configuration that makes one set of chains.

    Needs: no file. Makes: {results}/chains/{chains}.yaml.
    """
    output:
        "<results>/chains/{chains}.yaml",
    log:
        "<results>/logs/chains/{chains}.settings.log",
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(
            stage_settings.chain_settings(settings, wildcards.chains)
        ),
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"


rule filter_chains:
    """
    Make a set of chains of thought, of those that may be taught: a policy's samples, a teacher's replies, GQA's
    programs in words, or what a user's function writes.

    Needs: {results}/samples/ of the set's policy, the replies, the executed programs, or the user's module; the train
    split, a passed data check. Makes:
    {results}/chains/{chains}.jsonl, and {chains}.json with counts and examples. A set of fewer than `min_chains` is
    refused.
    """
    input:
        settings="<results>/chains/{chains}.yaml",
        examples="<results>/data/train.jsonl",
        checked=ancient("<results>/data/summary.json"),
        samples=chain_samples,
        spent=lambda wildcards: (
            ["<results>/chains/{chains}.spent.json"]
            if wildcards.chains in TEACHERS
            else []
        ),
        counts=lambda wildcards: (
            ["<results>/chains/{chains}.executed.json"]
            if wildcards.chains in PROGRAMS
            else []
        ),
    output:
        chains="<results>/chains/{chains}.jsonl",
        summary=reported(
            "<results>/chains/{chains}.json",
            "chains",
            "Chains and questions",
            labels={"of": "{chains}"},
        ),
    log:
        "<results>/logs/chains/{chains}.log",
    benchmark:
        "<results>/benchmarks/chains/{chains}.tsv"
    conda:
        "../environment.yml"
    threads: settings.launch.filter_chains.threads
    params:
        *code("filter_chains.py"),
        scripts=unrecorded(SCRIPTS),
        own_chains=own_chains,
        data=subpath(input.examples, parent=True),
        samples=lambda wildcards, input: [
            *(f"--samples={path}" for path in input.samples),
            *(f"--spent={path}" for path in input.spent),
            *(f"--programs={path}" for path in input.counts),
        ],
    shell:
        "exec python {params.scripts:q}/filter_chains.py --settings {input.settings:q} --data {params.data:q}"
        " {params.samples:q} --threads {threads} --output {output.chains:q} --summary {output.summary:q} > {log:q} 2>&1"


rule teacher_settings:
    """
    Write the part of the configuration by which an endpoint is asked.

    Needs: no file. Makes: {results}/chains/{chains}.ask.yaml.
    """
    output:
        "<results>/chains/{chains}.ask.yaml",
    log:
        "<results>/logs/chains/{chains}.ask_settings.log",
    wildcard_constraints:
        chains=one_of(TEACHERS),
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(
            stage_settings.teacher_settings(settings, wildcards.chains)
        ),
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"


rule ask_teacher:
    """
    Ask a larger model behind an OpenAI-compatible endpoint every training question, for chains of thought.

    Needs: the train split, a passed data check, the endpoint, its key in the environment. Makes:
    {results}/chains/{chains}.replies.jsonl and {chains}.spent.json. Every reply is kept in {results}/replies/ of the
    first seed, as long as you keep it: it is never paid for twice.
    """
    input:
        settings="<results>/chains/{chains}.ask.yaml",
        examples="<results>/data/train.jsonl",
        images=ancient("<results>/data/images/train"),
        checked=ancient("<results>/data/summary.json"),
    output:
        replies="<results>/chains/{chains}.replies.jsonl",
        spent="<results>/chains/{chains}.spent.json",
    log:
        "<results>/logs/chains/{chains}.ask.log",
    benchmark:
        "<results>/benchmarks/chains/{chains}.ask.tsv"
    wildcard_constraints:
        chains=one_of(TEACHERS),
    conda:
        "../environment.yml"
    params:
        *code("ask_teacher.py"),
        scripts=unrecorded(SCRIPTS),
        data=subpath(input.examples, parent=True),
        store=unrecorded(stage_settings.reply_store(settings)),
        # Not recorded, as with `unrecorded`: how the endpoint is asked decides no reply.
        control=lambda wildcards, output: stage_settings.teacher_control(
            settings, wildcards.chains
        ),
    shell:
        "exec python {params.scripts:q}/ask_teacher.py --settings {input.settings:q} --control {params.control:q} --data {params.data:q}"
        " --store {params.store:q} --output {output.replies:q} --spent {output.spent:q} > {log:q} 2>&1"


rule program_settings:
    """
    Write which files GQA's programs are read from, for one set of chains.

    Needs: no file. Makes: {results}/chains/{chains}.run.yaml.
    """
    output:
        "<results>/chains/{chains}.run.yaml",
    log:
        "<results>/logs/chains/{chains}.run_settings.log",
    wildcard_constraints:
        chains=one_of(PROGRAMS),
    conda:
        "../environment.yml"
    params:
        settings=lambda wildcards: as_yaml(
            stage_settings.program_settings(settings, wildcards.chains)
        ),
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"


rule run_programs:
    """
    Execute the functional programs of GQA's training questions on its scene graphs, and put them into words.

    Needs: the train split, a passed data check, GQA's files of questions and scene graphs. Makes:
    {results}/chains/{chains}.executed.jsonl, and {chains}.executed.json with counts of operations and faults.
    """
    input:
        settings="<results>/chains/{chains}.run.yaml",
        examples="<results>/data/train.jsonl",
        checked=ancient("<results>/data/summary.json"),
        raw=lambda wildcards: stage_settings.program_files(settings, wildcards.chains),
    output:
        executed="<results>/chains/{chains}.executed.jsonl",
        counts="<results>/chains/{chains}.executed.json",
    log:
        "<results>/logs/chains/{chains}.run.log",
    benchmark:
        "<results>/benchmarks/chains/{chains}.run.tsv"
    wildcard_constraints:
        chains=one_of(PROGRAMS),
    conda:
        "../environment.yml"
    threads: settings.launch.run_programs.threads
    params:
        *code("run_programs.py"),
        scripts=unrecorded(SCRIPTS),
        data=subpath(input.examples, parent=True),
    shell:
        "exec python {params.scripts:q}/run_programs.py --settings {input.settings:q} --data {params.data:q}"
        " --output {output.executed:q} --counts {output.counts:q} --threads {threads} > {log:q} 2>&1"
