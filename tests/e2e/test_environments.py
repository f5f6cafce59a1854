"""Stages under what a user's shell, a batch system or a container may set: the outputs stay the same."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from workflow_copy import WorkflowCopy

# An encoding that holds no "ö", and no docstrings; folders that are not there; another day, other threads.
ENVIRONMENT = {
    **{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONOPTIMIZE": "2"},
    **{"TMPDIR": "/no/such/folder", "TZ": "Asia/Kathmandu", "OMP_NUM_THREADS": "2"},
}
ABSENT = ("HOME", "PYTHONUTF8", "LANG", "SNAKEMAKE_PROFILE")
STAGES = ["prepare_data", "check_data", "sft", "evaluate"]


def narrow() -> None:
    """Files for their owner alone, and few of them open."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def test_outputs_do_not_depend_on_the_environment(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    root = tmp_path / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    shutil.rmtree(root / "results/smoke/sft/checkpoints")  # SFT would go on from them
    environment = {name: value for name, value in os.environ.items() if name not in ABSENT} | ENVIRONMENT
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *finished_run.options]
    command += ["--forcerun", *STAGES, "--allowed-rules", *STAGES, "--"]
    command += [f"results/smoke/{name}" for name in ("sft/adapter.json", "base/eval.json")]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, preexec_fn=narrow)
    assert run.returncode == 0, run.stderr.decode()[-5000:]
    results = [workflow / "results/smoke" for workflow in (root, finished_run.root)]
    for file in ("data/train.jsonl", "data/test.jsonl", "data/summary.json", "base/eval.json"):
        ours, theirs = (folder / file for folder in results)
        assert ours.read_bytes() == theirs.read_bytes(), file
        assert ours.stat().st_mtime > theirs.stat().st_mtime and not ours.stat().st_mode & 0o77, file
    adapters = [load_file(folder / "sft/adapter/adapter_model.safetensors") for folder in results]
    assert "resuming from" not in (results[0] / "logs/sft/sft.log").read_text(encoding="utf-8")
    for name, weight in adapters[1].items():
        assert torch.allclose(adapters[0][name], weight, atol=1e-6), name
