"""Checks of `launch`: the topology of each stage, what a stage can do with it, and what must be installed for it."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from reinforced_cot.errors import ConfigError
from reinforced_cot.extras import EXTRAS, GPU_EXTRA
from reinforced_cot.launch.topologies import DATA_PARALLEL, Topology, read_topology
from reinforced_cot.launch.vllm_server import server_gpus

Settings = Mapping[str, Any]
_FLASH = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}


def stage_topology(launch: Settings, stage: str) -> Topology:
    """The topology of one stage.

    Raises:
        ConfigError: names the key.
    """
    asked = launch[stage]
    try:
        return read_topology(asked["topology"], asked["processes"])
    except ConfigError as error:
        raise ConfigError(f"`launch.{stage}`: {error}") from None


def processes_of(launch: Settings, stage: str) -> int:
    """Processes of a stage over all machines; 1 where its topology is refused anyway."""
    try:
        return stage_topology(launch, stage).processes
    except ConfigError:
        return 1


def problems(launch: Settings, quantized: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One line a problem.

    Args:
        launch: the config's section, with the schema's defaults filled in.
        quantized: for ``sft`` and ``rl``, the sections of that stage that have a quantized base, by their keys.
    """
    for stage, asked in launch.items():
        if "topology" not in asked:
            continue
        try:
            topology = stage_topology(launch, stage)
        except ConfigError as error:
            yield str(error)
            continue
        name = asked["topology"]
        if stage in ("merge_lora", "evaluate") and topology.distributed_type not in DATA_PARALLEL:
            yield f"`launch.{stage}.topology` is {name}, which is for training; use cpu, single_gpu or multi_gpu"
        elif stage == "merge_lora" and topology.processes > 1:
            yield f"`launch.{stage}` asks for {topology.processes} processes; a merge is one: use cpu or single_gpu"
        elif stage == "evaluate" and topology.machines > 1:
            yield f"`launch.{stage}.topology` is {name}; an evaluation stays on one machine: use multi_gpu"
        if topology.splits_weights:
            for key in quantized.get(stage, ()):
                yield (
                    f"`launch.{stage}.topology` is {name}, which splits the weights, and a quantized base cannot be "
                    f"split: use multi_gpu or zero2, or set `{key}.quantization` null"
                )


def attention_problems(launch: Settings, base_model: Settings) -> Iterator[str]:
    """One line a reason why the attention kernel that is asked for could not run."""
    attention, key = base_model["attn_implementation"], "base_model.attn_implementation"
    if attention not in _FLASH:
        return
    if base_model["dtype"] == "float32":
        yield f"`{key}` is {attention} and `base_model.dtype` is float32; its kernels take bfloat16: change either"
    for stage, asked in launch.items():
        if "topology" not in asked:
            continue
        try:
            if stage_topology(launch, stage).use_cpu:
                yield f"`{key}` is {attention} and `launch.{stage}.topology` is {asked['topology']}; use sdpa there"
        except ConfigError:
            continue  # `problems` says so


def rollout_problems(launch: Settings, key: str, settings: Settings, training: Settings) -> Iterator[str]:
    """One line a reason why a policy could draw no rollouts on RL's topology.

    Args:
        key: ``rl.{policy}``.
        settings: the policy's section; ``training``, with GRPOConfig's defaults filled in.
    """
    try:
        topology = stage_topology(launch, "rl")
    except ConfigError:
        return  # `problems` says so
    where = f"`launch.rl.topology` is {launch['rl']['topology']}"
    served = f"`{key}.training.vllm_mode` is server and {where}"
    if server_gpus(training) and topology.use_cpu:
        yield f"{served}; weights reach a server from GPU to GPU: use a topology with GPUs, or vllm_mode colocate"
    elif server_gpus(training) and topology.machines > 1:
        yield f"{served}; trainer and server share one machine: use a topology of one, or vllm_mode colocate"
    elif topology.distributed_type == "FSDP" and settings["lora"] is not None and not training["use_vllm"]:
        yield (
            f"{where} and `{key}` trains an adapter; FSDP2 cannot generate with one before it has trained: use zero3, "
            "use_vllm true, or lora null"
        )


def missing_packages(config: Settings) -> Iterator[str]:
    """One line a package that a stage needs and that is not installed where Snakemake runs, as its jobs do."""
    sections = {"sft": config["sft"], **{f"rl.{policy}": config["rl"][policy] for policy in config["policies"]}}
    needed: dict[str, str] = {}
    for stage in ("sft", "rl"):
        if stage_topology(config["launch"], stage).distributed_type == "DEEPSPEED":
            needed[f"launch.{stage}.topology"] = "deepspeed"
    for key, section in sections.items():
        if section["quantization"]:
            needed[f"{key}.quantization"] = "bitsandbytes"
        optimizer = section["training"].get("optim", "")
        if "8bit" in optimizer or "paged" in optimizer:
            needed[f"{key}.training.optim"] = "bitsandbytes"
        if section["training"].get("use_vllm"):
            needed[f"{key}.training.use_vllm"] = "vllm"
    if config["evaluation"]["engine"] == "vllm":
        needed["evaluation.engine"] = "vllm"
    attention = config["base_model"]["attn_implementation"]
    if attention in _FLASH:
        needed["base_model.attn_implementation"] = _FLASH[attention]
    for key, package in needed.items():
        if find_spec(package) is None:
            extra = EXTRAS.get(package, GPU_EXTRA)
            yield f"`{key}` needs {package}, which is not installed where Snakemake runs: {extra}"
