"""The benchmark for GPUs, tried on the CPU with a tiny model: every stage is measured and its figures add up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_every_stage_is_measured(repo: Path, tmp_path: Path) -> None:
    sample = repo.parent / "shared/data/gqa-cot-sample"
    if not sample.is_dir():
        pytest.skip("needs ../shared/data/gqa-cot-sample, which is not in the repository")
    paths = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "results.json"), "--sample", str(sample)]
    command = [sys.executable, "benchmarks/gpu/run.py", *paths, "--tiny", "--tokens", "16", "--steps", "4"]
    subprocess.run(command, cwd=repo, check=True, capture_output=True)
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["sft"]["tokens_per_second"] > 0
    assert found["merge_lora"]["adapter_vs_merged"] <= 1e-4 < found["merge_lora"]["adapter_vs_base"]
    grpo = found["grpo"]
    phases = ("to_generate", "of_rewards", "of_old_log_probabilities", "of_updates")
    spent = sum(grpo[f"seconds_{phase}"] for phase in phases)
    assert all(grpo[f"seconds_{phase}"] > 0 for phase in phases)
    assert spent == pytest.approx(grpo["gpu_seconds_per_rollout"] * grpo["rollouts_per_generation"])
    assert found["answer"]["completions"] == 24
