# From images and questions to a policy that thinks before it answers, and a report on what each stage changed.
# config/config.yaml holds the demo's configuration; the docstring of each rule says what its stage needs and makes
# (`snakemake --list`).
from snakemake.utils import min_version

min_version("9.27")


include: "rules/common.smk"
include: "rules/terminal.smk"
include: "rules/settings.smk"
include: "rules/data.smk"
include: "rules/base_model.smk"
include: "rules/samples.smk"
include: "rules/chains.smk"


# Each method that makes a policy has a rule of its name.
for method in METHODS:

    include: f"rules/{method}.smk"


include: "rules/merge_lora.smk"
include: "rules/answer.smk"
include: "rules/evaluate.smk"
include: "rules/compare.smk"
include: "rules/report.smk"
include: "rules/model_card.smk"
include: "rules/push.smk"
include: "rules/plan.smk"
include: "rules/look.smk"
include: "rules/configuration.smk"
include: "rules/seeds.smk"


rule all:
    """
    The report, and every policy that it compares.
    """
    default_target: IS_MAIN
    input:
        "<results>/report.html",
        "<results>/report_files",
        # A model that an interrupted merge has deleted is made again, though the report needs only its answers.
        expand("<results>/{policy}/model.json", policy=REPORT),
        expand("<results>/{policy}/model_card.md", policy=TRAINED),
