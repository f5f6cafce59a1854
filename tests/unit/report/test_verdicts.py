"""The sentences at the top of the report, from figures made up by hand."""

from typing import Any

import pytest

from reinforced_cot.report.verdicts import is_clearly_better, verdicts


def scores(accuracy: float, *probes: tuple[str, str | None, float]) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "format_rate": 1.0,
        "probes": [{"probe": probe, "text": text, "score": score, "policy": accuracy} for probe, text, score in probes],
    }


def compared(
    before: str, after: str, difference: float, p: float | None, **types: tuple[int, float, float | None]
) -> Any:
    return {
        **{"before": before, "after": after, "difference": difference, "p_value": p, "gained": 36, "lost": 64},
        "detectable": None if p is None else 0.0426,
        "interval": None if p is None else (difference - 0.03, difference + 0.03),
        "by_question_type": {
            name: {"n": n, "difference": change, "p_holm": p_holm} for name, (n, change, p_holm) in types.items()
        },
    }


GRPO = scores(0.5, ("shuffled_images", None, 0.495), ("constant_answer", "no", 0.1), ("constant_answer", "yes", 0.25))


def test_a_policy_that_was_made_worse() -> None:
    found = compared("sft", "grpo", -0.047, 0.01, color=(90, -0.39, 0.001), size=(90, -0.1, 0.5), few=(3, -1.0, None))
    [line] = verdicts({"base": scores(0.0), "sft": scores(0.547), "grpo": GRPO}, [found], {"grpo": "sft"}).values()
    assert line == (
        "grpo against sft: -0.047 [-0.077, -0.017], to an accuracy of 0.500; 36 questions mended, 64 broken. "
        "Worst at questions of type color: -0.390. With shuffled images it still has 99% of its accuracy. "
        "One answer to every question ('yes') has 50% of it."
    )


@pytest.mark.parametrize(
    ("p", "chance"),
    [
        (0.2, "That may be chance (p 0.20); these questions would show a difference of 0.043 or more."),
        (None, "All questions are about one image, which does not show whether that is chance."),
        (0.049, ""),
    ],
)
def test_what_may_be_chance_is_said(p: float | None, chance: str) -> None:
    found = compared("sft", "grpo", 0.01, p, color=(90, -0.01, 0.9), size=(90, 0.1, 0.5))
    [line] = verdicts({"sft": scores(0.49), "grpo": GRPO}, [found], {"grpo": "sft"}).values()
    assert ("That" in line or "All" in line) is bool(chance) and chance in line
    assert is_clearly_better(found) is (p == 0.049)
    assert not is_clearly_better(compared("sft", "grpo", -0.01, 0.001))
    assert "Worst at questions of type color: -0.010, which may be chance." in line


def test_an_origin_outside_the_report_gives_way_to_its_first_policy() -> None:
    evaluations = {"base": scores(0.0), "sft": scores(0.5), "grpo": scores(0.0)}
    comparisons = [
        compared("base", "sft", 0.5, 0.0),
        compared("base", "grpo", 0.0, 1.0),
        compared("sft", "grpo", -0.5, 0),
    ]
    lines = verdicts(evaluations, comparisons, {"sft": "base", "grpo": "warmed_up"})
    assert [*lines] == ["sft", "grpo"] and lines["grpo"].startswith("grpo against base:")
    assert "images" not in lines["grpo"]  # of nothing, no share is earned
    assert verdicts({"grpo": scores(0.5)}, [], {"grpo": "sft"}) == {}


def test_a_gain_over_a_policy_without_the_form_is_no_gain_in_answers_alone() -> None:
    evaluations = {"base": scores(0.0) | {"format_rate": 0.004}, "sft": scores(0.5)}
    line = verdicts(evaluations, [compared("base", "sft", 0.5, 0.0)], {"sft": "base"})["sft"]
    assert "0% of the completions of base are well-formed, and the others count as wrong" in line
