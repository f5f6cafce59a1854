localrules:
    look,


rule look:
    """
    Print what the first records of every split would be prepared as, and which would be set aside and why.

    Needs: the raw files that data.splits names. Makes: no file, so that it makes nothing stale.
    """
    log:
        "<results>/logs/look.log",
    conda:
        "../environment.yml"
    params:
        scripts=unrecorded(SCRIPTS),
        data=f"{settings.results}/data",  # in a param, Snakemake replaces no path variable
        settings=lambda wildcards: json.dumps(
            {
                split: stage_settings.data_settings(settings, split).as_dict()
                for split in SPLITS
            }
        ),
    shell:
        "printf '%s' {params.settings:q} | python {params.scripts:q}/look.py --data {params.data:q} 2> {log:q}"
