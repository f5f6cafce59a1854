"""The plan of a stage from its settings alone, before there is any data or model: what `snakemake plan` prints."""

from collections.abc import Mapping
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from reinforced_cot.errors import PipelineError
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.models.tiny_model import SPECIAL_TOKENS, ModelSizes, build_config
from reinforced_cot.planning.batch_sizes import accumulation
from reinforced_cot.planning.model_shapes import shapes_of_config
from reinforced_cot.planning.stage_memory import evaluation_plan, rl_plan, sft_plan

CHAIN = 512  # tokens that a chain of SFT is taken to have; the data will say


def stage_plan(base: Mapping[str, Any], settings: Mapping[str, Any], stage: str, topology: Topology) -> str:
    """How the stage's batch is made up, and its memory plan for the longest prompts.

    Args:
        base: what the base is made of (`stages.base_settings`).
        settings: of the stage.
        stage: sft, rl or evaluate.
    """
    where = "the CPU" if topology.use_cpu else "GPUs"
    config, longest = model_config(base["base_model"]), settings["prompt"]["max_tokens"]
    head = f"{topology.file.stem}, {topology.processes} process(es) on {where}; prompts of {longest} tokens"
    if stage == "evaluate":
        return f"{head}\n{evaluation_plan(settings, shapes_of_config(config), longest)}"
    section = settings[stage]
    shapes = shapes_of_config(config, section["lora"])
    per_device, total = section["training"]["per_device_train_batch_size"], section["global_batch_size"]
    steps = accumulation(total, per_device, topology.processes)
    rows = f"{total} rows an update = {per_device} x {topology.processes} processes x {steps} accumulated"
    if stage == "sft":
        plan = sft_plan(settings, shapes, topology, longest, longest + CHAIN)
    else:
        training = section["training"]
        groups = training["generation_batch_size"] // training["num_generations"]
        rows += f"; {training['generation_batch_size']} a generation = {groups} groups"
        if section["shared_prefix"] != "off" and per_device < training["num_generations"]:
            rows += f", whose prompts are computed once for {per_device} of {training['num_generations']} completions"
        plan = rl_plan(settings, shapes, topology, longest)
    return f"{head}, {rows}\n{plan}"


def model_config(base_model: Mapping[str, Any]) -> PretrainedConfig:
    """The configuration of the base, which for a hub id is fetched.

    Raises:
        PipelineError: it cannot be fetched.
    """
    path = base_model["path"]
    if path is None:
        tiny = base_model["tiny"]
        ids = {token: number for number, token in enumerate(SPECIAL_TOKENS)}
        return build_config(tiny["vocab_size"], ids, ModelSizes(**tiny["architecture"]))
    try:
        return AutoConfig.from_pretrained(
            path, revision=base_model["revision"], trust_remote_code=base_model["trust_remote_code"]
        )
    except OSError as error:
        raise PipelineError(f"the configuration of {path} cannot be read: {error}") from None
