# From images and questions to a policy that thinks before it answers, and a report on what each stage changed.
# What is configured stands in config/config.yaml; what a stage needs and makes, at the head of its file in rules/.
from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/settings.smk"
include: "rules/data.smk"
include: "rules/base_model.smk"
include: "rules/sft.smk"
include: "rules/merge_lora.smk"
include: "rules/grpo.smk"
include: "rules/answer.smk"
include: "rules/evaluate.smk"
include: "rules/compare.smk"
include: "rules/report.smk"
include: "rules/plan.smk"
include: "rules/seeds.smk"


rule all:
    default_target: True
    input:
        "<results>/report.html",
