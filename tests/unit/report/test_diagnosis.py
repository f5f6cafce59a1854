"""What is said of a training, on the logs of real runs: nine were spoilt on purpose, six are sound."""

from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.files import read_json
from reinforced_cot.report.diagnosis import diagnose
from reinforced_cot.report.findings import findings_about, log_findings, updates_per_generation

LOGS = sorted((Path(__file__).parents[2] / "data/diagnosis").glob("*.json"))  # benchmarks/diagnosis.py --save


@pytest.mark.parametrize("path", LOGS, ids=[path.stem for path in LOGS])
def test_the_fault_is_named_first_and_sound_runs_have_none(path: Path) -> None:
    log = read_json(path)
    found = diagnose(path.stem, log["method"], log["history"], log["updates_per_generation"])
    assert [finding.fault for finding in found][:1] == ([log["fault"]] if log["fault"] else [])
    for finding in found:
        assert finding.sentence.startswith(f"{path.stem}: ") and finding.advice.endswith(".")


def test_there_are_logs_of_both_kinds() -> None:
    faults = [read_json(path)["fault"] for path in LOGS]
    assert faults.count(None) >= 5 and len({*faults} - {None}) >= 8


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_a_training_that_has_hardly_begun(method: str) -> None:
    assert diagnose("new", method, []) == []
    step: dict[str, Any] = {"step": 1, "loss": 1.0, "reward": 0.5, "entropy": 0.5, "kl": 0.0}
    assert diagnose("new", method, [step, {"step": 2, "runtime": 3.0}, {**step, "step": 2, "reward": 0.7}]) == []


def test_the_log_of_the_training_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log_findings(tmp_path, "grpo", [{"step": step, "frac_reward_zero_std": 1.0} for step in range(8)])
    [record] = caplog.records
    assert (
        record.levelname == "WARNING" and "In 100% of the groups" in record.message and "`pass_rate`" in record.message
    )


def test_nothing_can_be_clipped_with_one_update_per_generation(tmp_path: Path) -> None:
    history = [{"step": step, "clip_ratio/region_mean": 0.0, "reward": 0.5} for step in range(20)]
    assert diagnose("grpo", "grpo", history, updates_per_generation=1) == []
    assert [finding.fault for finding in diagnose("grpo", "grpo", history, 2)] == ["never-clips"]
    (tmp_path / "train.yaml").write_text(
        "policy: {global_batch_size: 128, training: {generation_batch_size: 256, num_iterations: 2}}"
    )
    assert [finding.fault for finding in findings_about(tmp_path, "grpo", history)] == ["never-clips"]
    assert updates_per_generation({}) == updates_per_generation({"policy": {"training": None}}) == 1


def test_a_loss_that_rises_again_did_not_settle() -> None:
    losses = [1.0, 0.6, 0.4, 0.3, 0.25, 0.9, 1.4, 1.2]
    history = [{"step": step, "loss": loss} for step, loss in enumerate(losses)]
    assert [finding.fault for finding in diagnose("sft", "sft", history)] == ["diverging-loss"]


def test_validation_is_asked_before_the_reward_for_right_answers() -> None:
    """Rewarded answers become more frequent in training, and no more on val: that is what counts."""
    history: list[dict[str, Any]] = [
        {"step": step, "reward": step / 10, "rewards/correctness_reward/mean": step / 20} for step in range(20)
    ]
    assert diagnose("grpo", "grpo", history) == []
    history += [{"step": step, "eval_accuracy": 0.5} for step in (5, 10, 15)]
    [finding] = diagnose("grpo", "grpo", history)
    assert finding.fault == "reward-without-answers" and finding.figure == "val-accuracy"
