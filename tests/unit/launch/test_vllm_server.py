"""A vLLM server's life: which GPUs it gets, what becomes of the stage when it does not start, how it ends."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from reinforced_cot.errors import PipelineError
from reinforced_cot.launch import launcher
from reinforced_cot.launch.topologies import read_topology
from reinforced_cot.launch.vllm_server import RolloutServer, ready_server, rollout_server, server_arguments
from reinforced_cot.policies.grpo import GrpoSettings, server_gpus

SERVED = {"use_vllm": True, "vllm_mode": "server"}


@pytest.mark.parametrize(
    ("training", "gpus"),
    [
        ({}, 0),
        ({"vllm_mode": "server"}, 0),
        ({"use_vllm": True}, 0),
        ({"use_vllm": True, "vllm_mode": "colocate", "vllm_tensor_parallel_size": 2}, 0),
        (SERVED, 1),
        ({**SERVED, "vllm_tensor_parallel_size": 2}, 2),
    ],
)
def test_gpus_of_a_server(training: dict[str, Any], gpus: int) -> None:
    assert server_gpus(training) == gpus


def rl_settings(training: dict[str, Any], start: str = "model") -> GrpoSettings:
    policy = {"method": "grpo", "from": "sft", "start": start, "lora": {"target_modules": ["q_proj"]}}
    return GrpoSettings.model_validate(
        {
            "seed": 1,
            "repeats": 0,
            "prompt": {"max_tokens": 100},
            "base_model": {"dtype": "bfloat16", "trust_remote_code": False},
            "policy": {**policy, "training": training},
        }
    )


def test_a_server_is_told_what_the_policy_is(tmp_path: Path) -> None:
    training = {**SERVED, "max_completion_length": 20, "vllm_tensor_parallel_size": 2}
    server = rollout_server(rl_settings(training), tmp_path / "sft", tmp_path / "grpo", 3)
    assert server is not None and server.gpus == 2
    told = dict(zip(server.arguments[1::2], server.arguments[2::2], strict=False))
    assert server.arguments[0] == str(tmp_path / "sft/model")
    assert json.loads(told["--limit-mm-per-prompt"]) == {"image": 3, "video": 0}
    assert (told["--dtype"], told["--max-model-len"], told["--tensor-parallel-size"]) == ("bfloat16", "120", "2")
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft/adapter.json").write_text('{"base": "base"}')
    server = rollout_server(rl_settings(training, "adapter"), tmp_path / "sft", tmp_path / "grpo", 3)
    assert server is not None and server.arguments[0] == str(tmp_path / "base/model")
    assert rollout_server(rl_settings({}), tmp_path / "sft", tmp_path / "grpo", 3) is None


class Recorded(RolloutServer):
    def start(self, devices: list[str]) -> None:
        found.append(devices)


found: list[list[str]] = []


def test_training_and_server_share_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def claim(gpus: int) -> None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(f"GPU-{n}" for n in range(gpus))

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(launcher, "claim_devices", claim)
    found.clear()
    launcher.claim_with_server(read_topology("zero2", 4), Recorded(2, [], tmp_path / "log"))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-0,GPU-1,GPU-2,GPU-3"
    launcher.claim_with_server(read_topology("cpu", None), Recorded(2, [], tmp_path / "log"))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert found == [["GPU-4", "GPU-5"], []]
    with pytest.raises(PipelineError, match="the GPUs must be divided: give --topology"):
        launcher.claim_with_server(None, Recorded(1, [], tmp_path / "log"))


def test_a_server_that_ends_by_itself_ends_the_stage_with_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROLLOUT_SERVER", "")
    RolloutServer(1, ["--no-such-option"], tmp_path / "grpo/vllm_server.log").start([])
    start = time.monotonic()
    message = r"(?s)vLLM's server ended; .*vllm_server\.log ends with:\n.*(No module named|no-such-option)"
    with pytest.raises(PipelineError, match=message), ready_server(SERVED, is_main=True):
        raise AssertionError("it never answers")
    assert time.monotonic() - start < 100


def test_a_server_is_stopped_with_what_it_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that serves its health and has a child, in the place of vLLM (tests/vllm_cpu starts that itself)."""
    program = tmp_path / "serve.py"
    program.write_text(
        "import http.server, subprocess, sys\n"
        "subprocess.Popen(['sleep', '600'])\n"
        "port = int(sys.argv[sys.argv.index('--port') + 1])\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=port, bind='127.0.0.1')\n"
    )
    (tmp_path / "health").touch()
    monkeypatch.setenv("ROLLOUT_SERVER", "")
    monkeypatch.chdir(tmp_path)
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nshift 3\nexec {sys.executable} {program} "$@"\n')  # without -m module serve
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    RolloutServer(1, [], tmp_path / "vllm_server.log").start([])
    with ready_server(SERVED, is_main=False):
        pass  # another process of the stage leaves it alone
    with ready_server(SERVED, is_main=True):
        arguments = server_arguments()
        assert arguments["vllm_server_base_url"].startswith("http://127.0.0.1:") and arguments["vllm_group_port"] > 1023
        [server] = [child for child in psutil.Process().children() if str(program) in child.cmdline()]
        family = [server, *server.children(recursive=True)]
        assert len(family) == 2
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
