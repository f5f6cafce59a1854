"""Topologies: what accelerate would silently not do is refused, and what runs is compared with what was asked for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from reinforced_cot.errors import ConfigError, PipelineError
from reinforced_cot.launch import launcher
from reinforced_cot.launch.topologies import Topology, names, read_topology
from reinforced_cot.paths import TOPOLOGIES
from reinforced_cot.training.topology_check import check_dtype, check_spread

SHIPPED = {  # processes, machines, GPUs of a machine, weights split, started by accelerate
    "cpu": (1, 1, 0, False, False),
    "single_gpu": (1, 1, 1, False, False),
    "multi_gpu": (2, 1, 2, False, True),
    "zero2": (2, 1, 2, False, True),
    "zero3": (2, 1, 2, True, True),
    "zero3_offload": (2, 1, 2, True, True),
    "fsdp2": (2, 1, 2, True, True),
    "two_node": (16, 2, 8, False, True),
}


def test_what_comes_with_the_pipeline() -> None:
    assert set(names()) == SHIPPED.keys()
    for name, expected in SHIPPED.items():
        found = read_topology(name)
        assert (found.processes, found.machines, found.gpus, found.splits_weights, found.is_launched) == expected, name
    assert (read_topology("zero3").offload, read_topology("zero3_offload").offload) == (("none",) * 2, ("cpu",) * 2)
    assert read_topology("multi_gpu", 8).gpus == 8


@pytest.mark.parametrize("name", SHIPPED)
def test_accelerate_knows_every_key(name: str) -> None:
    """It refuses unknown keys of its own level; those of DeepSpeed and FSDP are options of its launcher."""
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    config = load_config_from_file(str(TOPOLOGIES / f"{name}.yaml"))
    options = {action.dest for action in launch_command_parser()._actions}
    assert {*config.deepspeed_config, *config.fsdp_config} <= options


BAD = [
    ({"deepspeed_config": {"zero_optimization": {"stage": 3}}}, "nests zero_optimization; accelerate reads flat keys"),
    ({"deepspeed_config": {}}, "does not say deepspeed_config.zero_stage"),
    ({"distributed_type": "FSDP", "use_cpu": True}, "asks for FSDP on the CPU, which accelerate runs as plain data"),
    ({"distributed_type": "TPU"}, "has distributed_type TPU; it must be NO, MULTI_GPU, DEEPSPEED or FSDP"),
    ({"distributed_type": "NO", "num_processes": 2}, "is for one process, and 2 are asked for"),
    ({"num_processes": 3, "num_machines": 2}, "3 processes cannot be spread evenly over the 2 machines"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_what_would_run_otherwise_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """Accelerate says nothing: what was called "ZeRO-3 with offload" ran as ZeRO-2 without it."""
    content = yaml.safe_load((TOPOLOGIES / "zero3.yaml").read_text())
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**content, **change}))
    with pytest.raises(ConfigError, match=message):
        read_topology(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(("text", "message"), [("a: [", "is not valid YAML"), ("a: 1", "it has no distributed_type")])
def test_a_file_that_is_no_topology_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_topology(str(tmp_path / "mine.yaml"))


def accelerator(**changes: Any) -> Any:
    zero = {"offload_optimizer": {"device": "cpu"}, "offload_param": {"device": "cpu"}}
    plugin = SimpleNamespace(zero_stage=3, deepspeed_config={"zero_optimization": zero})
    found = {
        "num_processes": 2,
        "distributed_type": SimpleNamespace(name="DEEPSPEED"),
        "device": SimpleNamespace(type="cuda"),
        "state": SimpleNamespace(deepspeed_plugin=plugin),
    }
    return SimpleNamespace(**{**found, **changes})


def test_what_runs_is_what_was_asked_for() -> None:
    asked = read_topology("zero3_offload")
    check_spread(accelerator(), asked)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"num_processes": 1}, "processes 1 in place of 2"),
        ({"distributed_type": SimpleNamespace(name="MULTI_GPU")}, "distributed type MULTI_GPU in place of DEEPSPEED"),
        ({"device": SimpleNamespace(type="cpu")}, "on the CPU True in place of False"),
    ]
    for changes, message in cases:
        with pytest.raises(PipelineError, match=message):
            check_spread(accelerator(**changes), asked)
    with pytest.raises(PipelineError, match=r"offload of optimizer and weights \('cpu', 'cpu'\) in place of \('none'"):
        check_spread(accelerator(), read_topology("zero3"))
    with pytest.raises(PipelineError, match="ZeRO stage 3 in place of 2"):
        check_spread(accelerator(), read_topology("zero2"))
    with pytest.raises(PipelineError, match="the run was to use a single process, but accelerate runs processes 2"):
        check_spread(accelerator(), None)


@pytest.mark.parametrize(
    ("loaded", "asked", "quantization", "refused"),
    [
        (torch.float32, "float32", None, False),
        (torch.bfloat16, "bfloat16", None, False),
        (torch.float32, "bfloat16", None, True),  # a load without a word on the type is float32
        (torch.float32, "bfloat16", "nf4", False),
        (torch.bfloat16, "bfloat16", "nf4", True),
    ],
)
def test_weights_have_the_type_that_was_asked_for(
    loaded: torch.dtype, asked: str, quantization: str | None, refused: bool
) -> None:
    model = torch.nn.Linear(2, 2, dtype=loaded).requires_grad_(False)
    if refused:
        with pytest.raises(PipelineError, match=f"and some are {loaded}"):
            check_dtype(model, asked, quantization)
    else:
        check_dtype(model, asked, quantization)


TWO = Topology(TOPOLOGIES / "two_node.yaml", "MULTI_GPU", processes=16, machines=2)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"NODE_RANK": "1", "MASTER_ADDR": "first", "MASTER_PORT": "2"}, ["1", "first", "2"]),
        ({"SLURM_PROCID": "0", "MASTER_ADDR": "first", "SLURM_JOB_ID": "20007"}, ["0", "first", "20007"]),
    ],
)
def test_each_machine_knows_its_place(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: list[str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    arguments = launcher.launch_arguments(TWO)
    rank, address, port = expected
    place = ["--machine_rank", rank, "--main_process_ip", address, "--main_process_port", port]
    assert arguments[: 4 + len(place)] == ["--config_file", str(TWO.file), "--num_processes", "16", *place]


def test_two_machines_without_a_word_on_which_this_is() -> None:
    with pytest.raises(PipelineError, match="run this command on each, with NODE_RANK"):
        launcher.launch_arguments(TWO)
