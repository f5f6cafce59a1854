"""How a stage is spread over processes and devices: accelerate's own configuration files, read without accelerate."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reinforced_cot.errors import ConfigError
from reinforced_cot.paths import TOPOLOGIES

DATA_PARALLEL = ("NO", "MULTI_GPU")  # every process holds the whole model


@dataclass(frozen=True)
class Topology:
    """What a file of ``config/accelerate/`` asks for.

    Attributes:
        file: the file, for ``accelerate launch --config_file``.
        distributed_type: accelerate's word: ``NO``, ``MULTI_GPU``, ``DEEPSPEED`` or ``FSDP``.
        processes: on all machines together, one per device.
        machines: how many; the processes are spread evenly.
        use_cpu: no process has a GPU.
        zero_stage: DeepSpeed's, else None.
        offload: where DeepSpeed keeps optimizer states and weights, (``none``, ``none``) without it.
    """

    file: Path
    distributed_type: str
    processes: int
    machines: int = 1
    use_cpu: bool = False
    zero_stage: int | None = None
    offload: tuple[str, str] = ("none", "none")

    @property
    def gpus(self) -> int:
        """GPUs of one machine."""
        return 0 if self.use_cpu else self.here

    @property
    def here(self) -> int:
        """Processes of one machine."""
        return self.processes // self.machines

    @property
    def splits_weights(self) -> bool:
        """Whether no process holds the whole model."""
        return self.zero_stage == 3 or self.distributed_type == "FSDP"

    @property
    def is_launched(self) -> bool:
        """Whether it needs `accelerate launch`; for the others a plain process is enough."""
        return self.processes > 1 or self.distributed_type not in DATA_PARALLEL


def spread(topology: Topology | None, processes: int) -> dict[str, Any]:
    """What a checkpoint depends on: each process writes a part, in the way of its kind of training."""
    kind = {"processes": processes, "distributed_type": topology.distributed_type if topology else "NO"}
    return kind | ({"zero_stage": topology.zero_stage} if topology and kind["distributed_type"] == "DEEPSPEED" else {})


def read_topology(name: str, processes: int | None = None) -> Topology:
    """The topology of a name in ``config/accelerate/``, or of another file given by its path (``*.yaml``).

    Args:
        processes: replaces the file's number.

    Raises:
        ConfigError: there is no such file, or accelerate would silently ignore a part of it.
    """
    file = Path(name) if name.endswith((".yaml", ".yml")) else TOPOLOGIES / f"{name}.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if file == Path(name):
            raise ConfigError(f"there is no file {name}") from None
        known = names()
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}, or give a path ending in .yaml"
        raise ConfigError(f"there is no topology {name}; {hint}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {error}") from None
    if not isinstance(content, dict) or "distributed_type" not in content:
        raise ConfigError(f"{file} is no configuration of accelerate: it has no distributed_type")
    return _checked(file, content, processes)


def names() -> list[str]:
    """The topologies that come with the pipeline."""
    return sorted(path.stem for path in TOPOLOGIES.glob("*.yaml"))


def _checked(file: Path, content: Mapping[str, Any], processes: int | None) -> Topology:
    deepspeed = content.get("deepspeed_config") or {}
    if "zero_optimization" in deepspeed:
        raise ConfigError(
            f"{file} nests zero_optimization; accelerate reads flat keys and would silently run ZeRO-2: write "
            "deepspeed_config.zero_stage"
        )
    topology = Topology(
        file=file,
        distributed_type=content["distributed_type"] or "NO",  # YAML reads an unquoted NO as false
        processes=processes or content.get("num_processes", 1),
        machines=content.get("num_machines", 1),
        use_cpu=bool(content.get("use_cpu")),
        zero_stage=deepspeed.get("zero_stage"),
        offload=(
            str(deepspeed.get("offload_optimizer_device", "none")),
            str(deepspeed.get("offload_param_device", "none")),
        ),
    )
    kind, count, machines = topology.distributed_type, topology.processes, topology.machines
    if kind not in (*DATA_PARALLEL, "DEEPSPEED", "FSDP"):
        raise ConfigError(f"{file} has distributed_type {kind}; it must be NO, MULTI_GPU, DEEPSPEED or FSDP")
    if kind == "NO" and count > 1:
        raise ConfigError(f"{file} is for one process, and {count} are asked for: take multi_gpu, or cpu without GPUs")
    if kind == "DEEPSPEED" and topology.zero_stage not in (0, 1, 2, 3):
        raise ConfigError(f"{file} does not say deepspeed_config.zero_stage (0 to 3)")
    if kind == "FSDP" and topology.use_cpu:
        raise ConfigError(f"{file} asks for FSDP on the CPU, which accelerate runs as plain data parallel")
    if count % machines:
        raise ConfigError(f"{count} processes cannot be spread evenly over the {machines} machines of {file}")
    return topology
