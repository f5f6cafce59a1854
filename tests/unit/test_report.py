"""The report holds the numbers, escapes what models and data say, and starts without the training libraries."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import write_report

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json, write_json

HOSTILE = "<script>alert(1)</script>"
CHECKED = {"torch", "transformers", "trl", "peft", "datasets", "sklearn", "scipy", "accelerate"}


def shares(accuracy: float, n: int = 40) -> dict[str, Any]:
    return {
        "n": n,
        "accuracy": accuracy,
        "format_rate": 0.875,
        "consistency": 0.5,
        "accuracy_well_formed": None if not accuracy else accuracy + 0.011,
    }


def write_run(results: Path, policies: list[str]) -> None:
    """What the report reads, with markup wherever a name can stand."""
    for number, policy in enumerate(policies):
        scores = shares(0.123 * number) | {
            "questions": "5f1d",
            "by_question_type": {"color": shares(0.234 * number, 25), HOSTILE: shares(0.345, 15)},
            "sampled": {"accuracy": 0.111 * number} if number else None,
        }
        write_json(results / policy / "eval.json", scores)
        if policy == "base":
            continue
        history: list[dict[str, Any]] = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}, {"step": 2, "runtime": 3}]
        if policy != "sft":
            history = [{**entry, "reward": 0.5, "rewards/correctness_reward/mean": 0.25} for entry in history]
        write_json(results / policy / "metrics.json", {"history": history})
        proof = {"adapter_vs_base": 0.321, "adapter_vs_merged": 1.2e-7, "adapter_vs_saved": 0.0, "dtype": "float32"}
        write_json(results / policy / "merge.json", proof)
    split = {"questions": 777, "images": 66, "chains": 555, "erring_chains": 44}
    write_json(results / "data/summary.json", {"splits": {"train": split, HOSTILE: split}})


def page(results: Path, policies: list[str], repo: Path) -> str:
    template = repo / "workflow/report/report.html.j2"
    output = results.parent / "report.html"
    command = ["--results", str(results), "--template", str(template), "--output", str(output)]
    write_report.main([*command, "--policies", *policies])
    return output.read_text(encoding="utf-8")


def test_tables_hold_the_numbers(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo", "gspo"]
    write_run(tmp_path / "run", policies)
    text = page(tmp_path / "run", policies, repo)
    assert "<h1>run:" in text and "40 questions" in text
    for policy in policies:
        assert f"<th>{policy}</th>" in text
    # accuracy, at T=1, by question type, format, merge proof, data
    for number in ("0.246", "0.222", "0.702", "0.345", "0.875", "0.321", "1.2e-07", "777", "66", "555", "44"):
        assert f"<td>{number}</td>" in text
    assert "<td>-</td>" in text  # base has no well-formed completion and no samples
    assert text.count("<svg") == 3 and text.count("</svg>") == 3


def test_html_in_names_is_escaped(tmp_path: Path, repo: Path) -> None:  # fault 65
    policies = ["base", "sft", HOSTILE.replace("/", "")]
    write_run(tmp_path / "<b>run", policies)
    text = page(tmp_path / "<b>run", policies, repo)
    assert "<script>" not in text and "<b>run" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "&lt;b&gt;run" in text


def test_a_run_without_rl_has_no_reward_curve(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    text = page(tmp_path / "run", ["base", "sft"], repo)
    assert "Supervised loss" in text and "Reward of the sampled" not in text and text.count("<svg") == 1


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft", "grpo"])
    first = page(tmp_path / "run", ["base", "sft", "grpo"], repo)
    assert page(tmp_path / "run", ["base", "sft", "grpo"], repo) == first


def test_policies_asked_different_questions_are_refused(tmp_path: Path, repo: Path) -> None:  # fault 64
    write_run(tmp_path / "run", ["base", "sft"])
    path = tmp_path / "run/sft/eval.json"
    write_json(path, read_json(path) | {"questions": "0000"})
    with pytest.raises(DataError, match="base and sft were asked different questions"):
        page(tmp_path / "run", ["base", "sft"], repo)


def test_a_missing_evaluation_is_named(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    (tmp_path / "run/sft/eval.json").unlink()
    with pytest.raises(DataError, match=r"sft/eval\.json does not exist"):
        page(tmp_path / "run", ["base", "sft"], repo)


@pytest.mark.parametrize(
    "modules",
    [
        "prepare_data, check_data, reinforced_cot.digit_records, reinforced_cot.gqa_cot",
        "write_report",
        "reinforced_cot.config, reinforced_cot.stages, reinforced_cot.code_closure",  # a dry-run
        "reinforced_cot.consistency, reinforced_cot.rewards, reinforced_cot.metrics, reinforced_cot.prompts",
        "build_base, train_sft, train_grpo, merge_lora, evaluate_policy",  # so that --help is quick
    ],
)
def test_starts_without_the_training_libraries(modules: str, repo: Path) -> None:
    code = f"import sys, {modules}; print(sorted({CHECKED!r} & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=repo / "workflow/scripts")
    assert finished.stdout.strip() == "[]"
