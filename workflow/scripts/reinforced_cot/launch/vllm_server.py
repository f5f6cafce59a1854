"""vLLM as a server for RL's rollouts, on GPUs of its own: the stage starts it, waits for it and stops it.

TRL sends it prompts and, before each generation, the policy's weights (over NCCL, so between GPUs). The process that
starts a stage also starts the server, before accelerate's launcher replaces it. The training processes find the server
by an environment variable.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.policies.grpo import GrpoSettings, server_gpus
from reinforced_cot.processes import end_with_parent

log = logging.getLogger(__name__)

_PLACE = "ROLLOUT_SERVER"
_SHUTDOWN = 60.0  # seconds that a server has to end, before it is killed


def vllm_context(settings: GrpoSettings) -> int:
    """The longest row that vLLM makes room for, in tokens. A model's whole context would often not fit."""
    training = settings.policy.training
    longest = settings.prompt.max_tokens + training["max_completion_length"]
    return int(training.get("vllm_max_model_length") or longest)


@dataclass(frozen=True)
class RolloutServer:
    """A server to start.

    Attributes:
        gpus: how many it needs. arguments: of ``vllm serve``. log: the file that its output goes to.
    """

    gpus: int
    arguments: list[str]
    log: Path

    def start(self, devices: list[str]) -> None:
        """Start it on ``devices``; it ends with this process. The environment then says where it is."""
        port = _free_port()
        eager = [] if devices else ["--enforce-eager"]  # on a CPU, compiling takes longer than a short run
        command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", *self.arguments, *eager]
        environment = os.environ | {
            "CUDA_VISIBLE_DEVICES": ",".join(devices),
            "VLLM_SERVER_DEV_MODE": "1",  # the endpoints by which TRL sends weights
            "VLLM_NO_USAGE_STATS": "1",  # no hidden network access
        }
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as file:
            server = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(port)],
                env=environment,
                stdout=file,
                stderr=file,
                close_fds=False,  # the lock on its GPUs is held until it has ended
                preexec_fn=lambda: end_with_parent(signal.SIGTERM),
            )
        place = {"url": f"http://127.0.0.1:{port}", "pid": server.pid, "log": str(self.log)}
        os.environ[_PLACE] = json.dumps(place)


def rollout_server(settings: GrpoSettings, origin: Path, output: Path, images: int) -> RolloutServer | None:
    """The server that an RL policy's settings ask for, or None.

    Args:
        origin: folder of the policy from whose model, or on whose adapter's base, RL starts.
        output: ``results/{policy}``; the server's log goes there.
        images: how many images one question shows at most.

    Raises:
        DataError: the adapter to continue does not exist.
    """
    training, loading = settings.policy.training, settings.base_model
    if not (gpus := server_gpus(training)):
        return None
    continued = settings.policy.start == "adapter"
    model = (origin.parent / read_json(origin / "adapter.json")["base"] if continued else origin) / "model"
    arguments = [
        str(model),
        *("--dtype", loading.dtype, "--tensor-parallel-size", str(gpus)),
        *("--gpu-memory-utilization", str(training.get("vllm_gpu_memory_utilization", 0.9))),
        *("--max-model-len", str(vllm_context(settings))),
        *("--model-impl", training.get("vllm_model_impl", "vllm")),
        *("--generation-config", "vllm"),  # not the checkpoint's own sampling defaults
        *("--limit-mm-per-prompt", json.dumps({"image": images, "video": 0})),
        *("--logprobs-mode", "processed_logprobs", "--max-logprobs", "-1"),  # of the distribution that is sampled
        *("--weight-transfer-config", json.dumps({"backend": "nccl"})),
        "--enable-scale-out",  # the endpoints that take token ids and images
        *(["--trust-remote-code"] if loading.trust_remote_code else []),
    ]
    return RolloutServer(gpus, arguments, output / "vllm_server.log")


def server_arguments() -> dict[str, Any]:
    """TRL's fields that say where the server is that this stage has started."""
    place = json.loads(os.environ[_PLACE])
    return {"vllm_server_base_url": place["url"], "vllm_group_port": _free_port()}


@contextmanager
def ready_server(training: Mapping[str, Any], is_main: bool) -> Iterator[None]:
    """Wait until the server answers, and stop it at the end of the block; does nothing where there is none.

    Args:
        training: the policy's, TRL's field names.
        is_main: whether this is the one process that waits and stops.

    Raises:
        PipelineError: the server ended, or does not answer in time; shows the end of its log.
    """
    if not (server_gpus(training) and is_main):
        yield
        return
    place = json.loads(os.environ[_PLACE])
    try:
        _wait(place, training.get("vllm_server_timeout", 600.0))
        yield
    finally:
        _stop(place["pid"])


def _wait(place: Mapping[str, Any], timeout: float) -> None:
    until = time.monotonic() + timeout
    while not _answers(f"{place['url']}/health"):
        ended = not _runs(place["pid"])
        if ended or time.monotonic() > until:
            said = Path(place["log"]).read_text(errors="replace").splitlines()[-15:]
            what = "vLLM's server ended" if ended else f"vLLM's server does not answer after {timeout:.0f} s"
            raise PipelineError("\n".join([f"{what}; {place['log']} ends with:", *said]))
        time.sleep(1)
    log.info("vLLM's server answers at %s", place["url"])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _runs(pid: int) -> bool:
    """Whether a process runs; a zombie, whose parent has not read its exit status, does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _stop(pid: int) -> None:
    """End the server and its children, so that its GPUs are free when the stage ends."""
    try:
        server = psutil.Process(pid)
        family = [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    server.terminate()
    _await_end([server], _SHUTDOWN)
    for process in family:
        if _runs(process.pid):
            process.kill()
    _await_end(family, _SHUTDOWN)


def _await_end(processes: Sequence[psutil.Process], timeout: float) -> None:
    until = time.monotonic() + timeout
    while any(_runs(process.pid) for process in processes) and time.monotonic() < until:
        time.sleep(0.1)


def _free_port() -> int:
    """A free port: two jobs on one machine would collide at a fixed one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
