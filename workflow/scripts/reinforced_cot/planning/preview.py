"""The plan of a stage from its settings alone, before any data or model exists: `snakemake plan` prints it."""

from transformers import AutoConfig, PretrainedConfig

from reinforced_cot.base.tiny_model import SPECIAL_TOKENS, build_config
from reinforced_cot.errors import PipelineError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.models.settings import BaseCheckpoint, TinyModel
from reinforced_cot.planning.answering_memory import answering_plan_of
from reinforced_cot.planning.batch_sizes import accumulation
from reinforced_cot.planning.model_shapes import shapes_of_config
from reinforced_cot.planning.training_memory import training_plan_of
from reinforced_cot.policies.settings import TrainSettings

CHAIN = 512  # assumed tokens of the longest chain; the data is not read yet


def training_preview(base: BaseCheckpoint, settings: TrainSettings, topology: Topology) -> str:
    """How the batch of a policy's training is made up, and its memory plan for the longest prompts allowed.

    Args:
        base: what the base is made of.
        settings: of the policy.
        topology: that the training is launched on.

    Raises:
        PipelineError: the base's configuration cannot be read.
    """
    policy, longest = settings.policy, settings.prompt.max_tokens
    shapes = shapes_of_config(model_config(base), policy.lora)
    per_device, total = policy.training["per_device_train_batch_size"], policy.global_batch_size or 0
    steps = accumulation(total, per_device, topology.processes)
    rows = f"{total} rows per update = {per_device} x {topology.processes} processes x {steps} accumulated"
    plan = training_plan_of(settings, shapes, topology, longest, longest + CHAIN)
    return f"{_head(longest, topology)}, {rows}{policy.batch_in_words()}\n{plan}"


def answer_preview(base: BaseCheckpoint, settings: AnswerSettings, topology: Topology) -> str:
    """The memory plan of answering the longest prompts allowed; arguments and errors as for `training_preview`."""
    longest = settings.prompt.max_tokens
    plan = answering_plan_of(settings, shapes_of_config(model_config(base)), longest)
    return f"{_head(longest, topology)}\n{plan}"


def _head(longest: int, topology: Topology) -> str:
    where = "the CPU" if topology.use_cpu else "GPUs"
    return f"{topology.file.stem}, {topology.processes} process(es) on {where}; prompts of {longest} tokens"


def model_config(base_model: BaseCheckpoint) -> PretrainedConfig:
    """The configuration of the base; that of a hub id is fetched.

    Raises:
        PipelineError: it cannot be fetched.
    """
    path = base_model.path
    if path is None:
        tiny = base_model.tiny or TinyModel()
        ids = {token: number for number, token in enumerate(SPECIAL_TOKENS)}
        return build_config(tiny.vocab_size, ids, tiny.architecture)
    try:
        return AutoConfig.from_pretrained(
            path, revision=base_model.revision, trust_remote_code=base_model.trust_remote_code
        )
    except OSError as error:
        raise PipelineError(f"the configuration of {path} cannot be read: {error}") from None
