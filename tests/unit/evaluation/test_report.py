"""The report holds the numbers, and escapes what models and data say."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
import pytest
import report

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.report import read_template
from reinforced_cot.files import read_json, write_json

HOSTILE = "<script>alert(1)</script>"


def shares(accuracy: float, n: int = 40) -> dict[str, Any]:
    return {
        "n": n,
        "accuracy": accuracy,
        "format_rate": 0.875,
        "consistency": 0.5,
        "accuracy_well_formed": None if not accuracy else accuracy + 0.011,
        "accuracy_interval": [0.0125, 0.9875],
        "supported_accuracy": 0.4,
    }


def verdicts(n: int) -> dict[str, Any]:
    counted = {"coverage": 0.9, "support": 0.8, "contradiction": 0.1, "bare": 0.05}
    return {"n": n, **(counted if n else dict.fromkeys(counted))}


def probe(name: str, score: float, near: bool, text: str | None = None) -> dict[str, Any]:
    return {"probe": name, "text": text, "measure": "accuracy", "n": 9, "score": score, "policy": 0.5, "near": near}


def comparison(before: str, after: str) -> dict[str, Any]:
    change = {"difference": 0.135, "interval": [0.1, 0.17], "gained": 21, "lost": 4, "p_value": 2e-9}
    change |= {"detectable": 0.031, "error": 0.01, "n": 40}
    types = {
        HOSTILE: change | {"p_holm": 0.01},
        "color": change | {"p_holm": 0.2, "difference": -0.012},
        "few": change | {"p_holm": None, "p_value": None, "difference": 0.015, "interval": None},
    }
    return {"before": before, "after": after, **change, "by_question_type": types}


def write_run(results: Path, policies: list[str]) -> None:
    """Write the files that the report reads, with markup wherever a name can stand."""
    for number, policy in enumerate(policies):
        scores = shares(0.123 * number) | {
            "questions": "5f1d",
            "by_question_type": {"color": shares(0.234 * number, 25), HOSTILE: shares(0.345, 15)},
            "by_answer_type": {"open": shares(0.234 * number)},
            "by_semantic_type": {},
            "by_true_answer": {
                HOSTILE: {
                    **{"n": 40, "balanced_accuracy": 0.4567, "most_frequent": HOSTILE, "most_frequent_share": 0.98},
                    **{"variety": 0.1, "lost_variety": policy == "grpo", "truths": {HOSTILE: shares(0.5678, 23)}},
                }
            },
            "by_chain_length": {"8-15": shares(0.5, 30), "4-7": shares(0.5, 10 - number)},
            "n_images": 30,
            "accuracy_error": 0.0876,
            "truncation_rate": 0.025,
            "legacy_accuracy": 0.653,
            "sampled": {"accuracy": 0.111 * number, "format_rate": 0.9, "pass_at_k": {"1": 0.1, "4": 0.777}}
            if number
            else None,
            "direct": {"accuracy": 0.333, "accuracy_with_chain": 0.444, "p_value": 0.5} if number else None,
            "chain_consistency": {key: verdicts(number) for key in ("all", "correct", "wrong", "negative_control")},
            "probes": [
                probe("constant_answer", 0.45, True, HOSTILE),
                probe("constant_answer", 0.2, False, "no"),
                probe("blank_image", 0.1, False),
            ],
            "gqa": {
                "n": 5,
                "accuracy": 61.25,
                "accuracy_ignoring_case": 62.5,
                "binary": 70.0,
                "open": None,
                "consistency": None,
            }
            | {"validity": None, "plausibility": None, "distribution": 1.5}
            if number == 1
            else None,
        }
        write_json(results / policy / "eval.json", scores)
        if policy == "base":
            continue
        history: list[dict[str, Any]] = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}, {"step": 2, "runtime": 3}]
        if policy != "sft":
            history = [
                {**entry, "reward": 0.5, "rewards/correctness_reward/mean": 0.25}
                | {
                    "probes/policy": 1.0,
                    "probes/copied_chain": 0.96 if policy == "gspo" else 0.94,
                    "probes/blank_image": 0.1,
                }
                for entry in history
            ]
        shown = [
            {
                "step": step,
                "answers": [{"id": "a", "question": "Is it?", "answer": "no", "completion": f"At {step}\n<b>\0"}],
            }
            for step in (10, 20, 30, 40, 50)
        ]
        metrics: dict[str, Any] = {"history": history, "validation": [], "best_checkpoint": None, "val_samples": 0}
        if policy == "grpo":
            history.append({"step": 50, "eval_accuracy": 0.5})
            metrics |= {"validation": shown, "best_checkpoint": "checkpoint-40"}
        write_json(results / policy / "metrics.json", metrics)
        proof = {"adapter_vs_base": 0.321, "adapter_vs_merged": 1.2e-7, "dtype": "float32"}
        proof |= {"effect_kept": 0.987, "effect_error": 0.012, "form": "merged"}
        measured = {"quantization": "nf4", "accuracy_quantized": 0.4321, "accuracy_merged": 0.4123}
        write_json(results / policy / "merge.json", {**proof, "measured": measured if policy == "grpo" else None})
    write_json(results / "comparisons.json", [comparison(a, b) for a, b in pairwise(policies)])
    split = {"questions": 777, "images": 66, "chains": 555, "erring_chains": 44}
    near = {f"train/{HOSTILE}": {"images": 2, "pairs": [f"images/train/a.png and {HOSTILE}", "c and d"]}}
    write_json(results / "data/summary.json", {"splits": {"train": split, HOSTILE: split}, "near_duplicates": near})


def page(results: Path, policies: list[str], repo: Path, *options: str, in_full: Sequence[str] = ()) -> str:
    template = repo / "workflow/report/report.html.j2"
    output = results.parent / "report.html"
    command = ["--results", str(results), "--template", str(template), "--output", str(output)]
    merged = [policy for policy in policies if policy not in ("base", *in_full)]
    losses = [f"{policy}={'Supervised loss' if policy == 'sft' else ''}" for policy in policies if policy != "base"]
    report.main([*command, *options, "--policies", *policies, "--losses", *losses, "--merged", *merged])
    return output.read_text(encoding="utf-8")


def test_a_policy_of_full_fine_tuning_has_no_merge(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo"]
    write_run(tmp_path / "run", policies)
    (tmp_path / "run/grpo/merge.json").unlink()
    merges = page(tmp_path / "run", policies, repo, in_full=["grpo"]).split("<h2>Merges</h2>")[1].split("<h2>")[0]
    assert "<th>sft</th>" in merges and "grpo" not in merges
    assert "<h2>Merges</h2>" not in page(tmp_path / "run", policies, repo, in_full=["sft", "grpo"])


def test_tables_hold_the_numbers(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo", "gspo"]
    write_run(tmp_path / "run", policies)
    text = page(tmp_path / "run", policies, repo)
    assert "<h1>run:" in text and "40 questions" in text
    for policy in policies:
        assert f"<th>{policy}</th>" in text
    # accuracy, at T=1, by question type, format, merge proof, the merge of a quantized base, data
    for number in ("0.246", "0.222", "0.702", "0.345", "0.875", "0.321", "1.2e-07", "0.432", "777", "66", "555", "44"):
        assert f"<td>{number}</td>" in text
    # interval, original's matcher, pass@4, no chain, difference, its interval, by type, probes, GQA
    for cell in ("[0.013, 0.988]", "0.653", "0.777", "0.333", "+0.135", "[+0.100, +0.170]", "2e-09", "+0.135 *"):
        assert f"<td>{cell}</td>" in text, cell
    for cell in ("0.457", "0.568", "-0.012", "+0.015", "0.450 ⚑", "0.100", "61.250"):
        assert f"<td>{cell}</td>" in text, cell
    assert "<td>0.200</td>" not in text.split("What cheating would score")[1]  # the best constant stands for all
    assert "constant answer “&lt;script&gt;" in text and "Handle with care" in text
    assert (
        "gspo, in training: the policy earns 1.000, and these nearly as much: copied chain 0.960" in text
        and "grpo, in training" not in text
    )
    assert "<th>grpo: chains</th>" in text  # the number of chains of a length differs between policies
    assert "<td>-</td>" in text and "None" not in text  # base has no well-formed completion and no samples
    assert text.count("<svg") == 6 and text.count("</svg>") == 6
    written = text.split("What policies wrote while they were trained")[1]  # the first, middle, best and last ones
    assert (
        all(f"<td>At {step}\n&lt;b&gt;\ufffd</td>" in written for step in (10, 30, 40, 50)) and "At 20" not in written
    )


def test_several_seeds_are_summed_up(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo"]
    write_run(tmp_path / "run", policies)
    spread = {"mean": 0.812, "deviation": 0.02, "values": [0.832, 0.792]}
    found = {policy: {"accuracy": spread, "consistency": spread} for policy in policies}
    gain = {"over": "sft", **spread, "mean": 0.111, "deviation": None}
    summary = {"seeds": [1, 7], "policies": found, "gains": {"grpo": gain}}
    write_json(tmp_path / "run/seeds.json", summary)
    text = page(tmp_path / "run", policies, repo, "--seeds")
    assert "<td>0.812 ± 0.020</td>" in text and "accuracy, seed 7" in text and "<td>0.111 over sft</td>" in text
    assert "Over several seeds" not in page(tmp_path / "run", policies, repo)


def test_no_flag_where_no_probe_comes_near(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    for policy in ("base", "sft"):
        path = tmp_path / "run" / policy / "eval.json"
        write_json(path, read_json(path) | {"probes": [probe("blank_image", 0.1, False)]})
    text = page(tmp_path / "run", ["base", "sft"], repo)
    assert "Handle with care" not in text and "⚑" not in text.split("What cheating would score")[1].split("<p")[0]


def test_html_in_names_is_escaped(tmp_path: Path, repo: Path) -> None:
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


def test_policies_asked_different_questions_are_refused(tmp_path: Path, repo: Path) -> None:
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


# What the report reads, and a key of each.
READ = {
    "base/eval.json": "n_images",
    "sft/eval.json": "truncation_rate",
    "sft/metrics.json": "history",
    "sft/merge.json": "form",
    "comparisons.json": "p_value",
    "data/summary.json": "chains",
}


@pytest.mark.parametrize(("file", "key"), READ.items())
@pytest.mark.parametrize("damage", ["NaN", "a missing key", "cut"])
def test_a_damaged_file_is_named(tmp_path: Path, repo: Path, file: str, key: str, damage: str) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    path = tmp_path / "run" / file
    text = path.read_text()
    if damage == "NaN":
        text, message = re.sub(r": [\d.e-]+(?=,?\n)", ": NaN", text), r"holds nan as \S+: "
    elif damage == "a missing key":
        text, message = text.replace(f'"{key}"', '"lost"'), rf"has no key (\S+\.)?{key}: "
    else:
        text, message = text[: len(text) // 2], "is not valid JSON, perhaps cut off: .*: "
    assert text != path.read_text()
    path.write_text(text)
    with pytest.raises(DataError, match=rf"{file} {message}delete \S*{file} and give the same command with"):
        page(tmp_path / "run", ["base", "sft"], repo)


@pytest.mark.parametrize("content", [None, b"<p>{% if warnings %}", b"\xff"])
def test_a_damaged_template_is_named(tmp_path: Path, content: bytes | None) -> None:
    template = tmp_path / "report.html.j2"
    if content is not None:
        template.write_bytes(content)
    with pytest.raises(DataError, match=r"report\.html\.j2 cannot be read \(.*\): restore it, `git checkout"):
        read_template(jinja2.Environment(), template)
