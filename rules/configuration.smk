from reinforced_cot.config.effective import effective_text


localrules:
    configuration,


EFFECTIVE = effective_text(settings, composition)


onstart:
    # Beside the results of this call, whatever its target is; a dry-run does not come here.
    if workflow.is_main_process:
        write_text(Path(settings.results) / "configuration.yaml", EFFECTIVE)


rule configuration:
    """
    Print the effective configuration: every value that holds, and the file that it comes from.

    Needs: no file. Makes: no file, so that it makes nothing stale; every run writes the same text to
    {results}/configuration.yaml.
    """
    log:
        "<results>/logs/configuration.log",
    conda:
        "../environment.yml"
    params:
        text=EFFECTIVE,
    shell:
        "printf '%s' {params.text:q} 2> {log:q}"
