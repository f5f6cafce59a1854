"""Checks of ``launch``: the topology of each stage, what a stage can do with it, and what must be installed for it."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from reinforced_cot.config.configuration import Config, LaunchSettings
from reinforced_cot.config.policy_checks import Candidate
from reinforced_cot.errors import ConfigError
from reinforced_cot.extras import EXTRAS, GPU_EXTRA
from reinforced_cot.generation.settings import ENGINE_PACKAGES
from reinforced_cot.launch.topologies import DATA_PARALLEL, Topology, read_topology
from reinforced_cot.models.settings import BaseModelSettings

_FLASH = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}


def stage_topology(launch: LaunchSettings, stage: str) -> Topology:
    """The topology of one stage.

    Raises:
        ConfigError: names the key.
    """
    job = launch.of(stage)
    try:
        return read_topology(job.topology, job.processes)
    except ConfigError as error:
        raise ConfigError(f"`launch.{stage}`: {error}") from None


def processes_of(launch: LaunchSettings, stage: str) -> int:
    """Processes of a stage over all machines; 1 where its topology is refused anyway."""
    try:
        return stage_topology(launch, stage).processes
    except ConfigError:
        return 1


def topology_problems(launch: LaunchSettings, used: Sequence[str]) -> Iterator[str]:
    """Whether each stage has a topology that it can run on.

    Args:
        used: the stages that the report needs.
    """
    for stage in used:
        try:
            topology = stage_topology(launch, stage)
        except ConfigError as error:
            yield str(error)
            continue
        name = launch.of(stage).topology
        if stage in ("merge_lora", "answer") and topology.distributed_type not in DATA_PARALLEL:
            yield f"`launch.{stage}.topology` is {name}, which is for training; use cpu, single_gpu or multi_gpu"
        elif stage == "merge_lora" and topology.processes > 1:
            yield f"`launch.{stage}` asks for {topology.processes} processes; a merge is one: use cpu or single_gpu"
        elif stage == "answer" and topology.machines > 1:
            yield f"`launch.{stage}.topology` is {name}; answering stays on one machine: use multi_gpu"


def quantization_problems(candidate: Candidate, launch: LaunchSettings) -> Iterator[str]:
    """Whether a quantized base would be split over processes."""
    stage = candidate.policy.method
    try:
        splits = stage_topology(launch, stage).splits_weights
    except ConfigError:
        return  # `topology_problems` says so
    if splits and candidate.policy.quantization:
        yield (
            f"`launch.{stage}.topology` is {launch.of(stage).topology}, which splits the weights, and a quantized base "
            f"cannot be split: use multi_gpu or zero2, or set `{candidate.key}.quantization` null"
        )


def attention_problems(launch: LaunchSettings, used: Sequence[str], base_model: BaseModelSettings) -> Iterator[str]:
    """Whether the attention kernel that is asked for can run on each stage's devices."""
    attention, key = base_model.attn_implementation, "base_model.attn_implementation"
    if attention not in _FLASH:
        return
    if base_model.dtype == "float32":
        yield f"`{key}` is {attention} and `base_model.dtype` is float32; its kernels take bfloat16: change either"
    for stage in used:
        try:
            on_cpu = stage_topology(launch, stage).use_cpu
        except ConfigError:
            continue  # `topology_problems` says so
        if on_cpu:
            where = f"`launch.{stage}.topology` is {launch.of(stage).topology}"
            yield f"`{key}` is {attention} and {where}; use sdpa, or GPUs there"


def missing_packages(config: Config, policies: Sequence[str]) -> Iterator[str]:
    """One line per package that a stage needs and that is not installed where Snakemake runs, as its jobs do.

    Args:
        policies: names of the trained ones that are made.
    """
    needed: dict[str, str] = {}
    for name in policies:
        policy, key = config.policies[name], f"policies.{name}"
        if stage_topology(config.launch, policy.method).distributed_type == "DEEPSPEED":
            needed[f"launch.{policy.method}.topology"] = "deepspeed"
        if policy.quantization:
            needed[f"{key}.quantization"] = "bitsandbytes"
        optimizer = policy.training.get("optim", "")
        if "8bit" in optimizer or "paged" in optimizer:
            needed[f"{key}.training.optim"] = "bitsandbytes"
        if policy.training.get("use_vllm"):
            needed[f"{key}.training.use_vllm"] = "vllm"
    if config.answer.engine in ENGINE_PACKAGES:
        needed["answer.engine"] = ENGINE_PACKAGES[config.answer.engine]
    attention = config.base_model.attn_implementation
    if attention in _FLASH:
        needed["base_model.attn_implementation"] = _FLASH[attention]
    for key, package in needed.items():
        if find_spec(package) is None:
            extra = EXTRAS.get(package, GPU_EXTRA)
            yield f"`{key}` needs {package}, which is not installed where Snakemake runs: {extra}"
