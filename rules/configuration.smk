from reinforced_cot.config.effective import effective_text


localrules:
    configuration,


EFFECTIVE = effective_text(settings, composition)


onstart:
    # Beside the results of this call; a dry-run does not come here, and targets that only print write nothing.
    makes_files = any(job.output for job in workflow.dag.needrun_jobs())
    if workflow.is_main_process and makes_files:
        write_text(Path(settings.results) / "configuration.yaml", EFFECTIVE)


rule configuration:
    """
    Print the effective configuration: every value that holds, and the file that it comes from.

    Needs: no file. Makes: no file, so that it makes nothing stale; every run that makes files writes the same text to
    {results}/configuration.yaml.
    """
    log:
        "<results>/logs/configuration.log",
    conda:
        "../environment.yml"
    params:
        text=lambda wildcards: EFFECTIVE,
    shell:
        "printf '%s' {params.text:q} 2> {log:q}"
