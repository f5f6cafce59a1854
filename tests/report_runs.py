"""Files of a small run with made-up numbers, and markup wherever a name or a text can stand."""

from itertools import combinations
from pathlib import Path
from typing import Any

from PIL import Image

from reinforced_cot.files import write_json, write_jsonl
from reinforced_cot.report.policy_facts import PolicyFacts

_MOST_IMAGES = 40
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


def write_run(results: Path, policies: list[str], questions: int = 6) -> None:
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
        proof = {"merged_weights": 32 * "ab", "adapter_vs_base": 0.321, "adapter_vs_merged": 1.2e-7, "dtype": "float32"}
        proof |= {"effect_kept": 0.987, "effect_error": 0.012, "form": "merged"}
        measured = {"quantization": "nf4", "accuracy_quantized": 0.4321, "accuracy_merged": 0.4123}
        write_json(results / policy / "merge.json", {**proof, "measured": measured if policy == "grpo" else None})
    write_answers(results, policies, questions)
    write_json(results / "comparisons.json", [comparison(a, b) for a, b in combinations(policies, 2)])
    split = {"questions": 777, "images": 66, "chains": 555, "erring_chains": 44}
    near = {f"train/{HOSTILE}": {"images": 2, "pairs": [f"images/train/a.png and {HOSTILE}", "c and d"]}}
    write_json(results / "data/summary.json", {"splits": {"train": split, HOSTILE: split}, "near_duplicates": near})


def write_answers(results: Path, policies: list[str], questions: int = 6) -> None:
    """The test split with its images, and every policy's scored answers; each policy is right twice more often."""
    examples: list[dict[str, Any]] = []
    (results / "data/images/test").mkdir(parents=True, exist_ok=True)
    for number in range(min(questions, _MOST_IMAGES)):
        picture = Image.new("RGB", (64 + 8 * number, 48), (40 * number % 256, 90, 120))
        picture.save(results / f"data/images/test/{number}.png")
    for number in range(questions):
        examples.append(
            {
                "id": f"q{number}",
                "images": [f"images/test/{number % _MOST_IMAGES}.png"],
                "question": f"What is in picture {number}? {HOSTILE}",
                "answers": ["cat" if number % 2 else "dog"],
                "question_type": "animal" if number < 4 else HOSTILE,
            }
        )
    write_jsonl(results / "data/test.jsonl", examples)
    for place, policy in enumerate(policies):
        rows = []
        for number, example in enumerate(examples):
            is_right = number < 2 * place
            truth = example["answers"][0]
            answer = truth if is_right else f"\u202e{HOSTILE}"
            text = f"<think>\nI see a {truth} {HOSTILE}\n</think>\n<answer>\n{answer}\n</answer>"
            row: dict[str, Any] = {"id": example["id"], "image_id": str(number)}
            row["question_type"] = example["question_type"]
            row |= {"instruction": example["question"], "gt_answer": truth, "prediction_raw": text, "truncated": False}
            row |= {"pred_think": f"I see a {truth} {HOSTILE}", "pred_answer": answer, "parse_problem": None}
            row |= {"is_correct": is_right, "is_consist": is_right, "bare_chain": False}
            row |= {"chain_verdict": "support" if is_right else "contradict"}
            if place == 0:
                row |= {"pred_think": None, "pred_answer": None, "parse_problem": "no <think>", "is_consist": False}
                row |= {"prediction_raw": f"{truth} \x1b[31m {HOSTILE}", "chain_verdict": "unknown"}
            rows.append(row)
        write_jsonl(results / policy / "predictions.jsonl", rows)


def facts(policies: list[str], in_full: tuple[str, ...] = ()) -> list[PolicyFacts]:
    """What the configuration says of the policies: the second is made by SFT, the others by RL."""
    found = []
    for policy in policies:
        if policy == "base":
            found.append(PolicyFacts(policy))
        elif policy == policies[1]:
            found.append(PolicyFacts(policy, "sft", "base", "Supervised loss", policy not in in_full))
        else:
            found.append(PolicyFacts(policy, "grpo", policies[1], "", policy not in in_full))
    return found
