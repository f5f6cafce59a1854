"""The page of benchmarks/learning.py: its arithmetic, and that it says plainly what falls short."""

import sys
from typing import Any

import pytest
from places import REPO

sys.path.append(str(REPO / "benchmarks"))

import learning

from reinforced_cot.data.examples import Example


def policy(accuracy: float, sampled: float, right: int, **changes: Any) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "format_rate": 1.0,
        "accuracy_well_formed": accuracy,
        "consistency": 1.0,
        "sampled": sampled,
        "sampled_well_formed": sampled,
        "shuffled": 0.2,
        "by_question_type": {"color": accuracy},
        "long_way": dict.fromkeys(learning.TWO_OBJECTS, 0.9),
        "correct": [True] * right + [False] * (40 - right),
        **changes,
    }


def seed(**changes: dict[str, Any]) -> dict[str, Any]:
    good = {name: policy(0.8, 0.7, 32) for name in ("grpo", "gspo")}
    pretraining = {"lm_steps": 675, "held_out_accuracy": 0.9, "lm_target_accuracy": 0.75}
    rest = {"base": policy(0.0, 0.1, 0), "sft": policy(0.5, 0.5, 12)}
    return {"seed": 7, "text_only": 0.2, "pretraining": pretraining, **rest, **good, **changes}


def test_the_page_shows_each_seed_and_what_was_gained() -> None:
    page = learning.table([seed()])
    assert "| 7 | sft | 0.500 | 1.000 | 0.500 | 1.000 | 0.500 | 0.500 | 0.200 |" in page
    assert "| grpo | +0.300 | +0.300 | +0.300 | +0.200 | 1.9e-06 |" in page  # 20 pairs, all gained: 2 / 2^20
    assert "Pretraining took 675 steps; the bases then answer 0.900 of the held-out questions right." in page
    assert page.endswith("All requirements are met.\n")


@pytest.mark.parametrize(
    ("changes", "miss"),
    [
        ({"sft": policy(0.44, 0.5, 12)}, "seed 7: SFT's accuracy 0.440 is outside 0.45 to 0.80"),
        ({"sft": policy(0.5, 0.5, 12, format_rate=0.9)}, "seed 7: SFT is well-formed in only 0.900"),
        ({"gspo": policy(0.8, 0.57, 32)}, "seed 7: gspo's gain over SFT, T=1, is +0.070"),
        (
            {"grpo": policy(0.8, 0.7, 32, accuracy_well_formed=0.5)},
            "seed 7: grpo's gain over SFT, well-formed",
        ),
        ({"grpo": policy(0.55, 0.7, 32)}, "grpo's mean greedy gain over SFT is +0.050"),
        (
            {"grpo": policy(0.8, 0.7, 32, long_way={"compare": 0.1, "neighbor_color": 1.0, "neighbor_value": 1.0})},
            "grpo takes the long way in only 0.100 of its chains of compare",
        ),
        ({"gspo": policy(0.8, 0.7, 16)}, "gspo's pooled McNemar p is 1.2e-01"),
        ({"sft": policy(0.5, 0.5, 12, shuffled=0.3)}, "seed 7: sft has 0.300 on shuffled images, above text alone"),
    ],
)
def test_what_falls_short_is_said(changes: dict[str, Any], miss: str) -> None:
    page = learning.table([seed(**changes)])
    assert f"- missed: {miss}" in page
    assert page.count("- missed:") == 1


def test_text_alone_answers_from_the_question() -> None:
    def example(question: str, answer: str) -> Example:
        return Example("q", ("x.png",), question, (answer,), "color")

    train = [example("a?", "red"), example("a?", "red"), example("b?", "blue"), example("b?", "blue")]
    train += [example("c?", "blue")]
    test = [example("a?", "red"), example("b?", "red"), example("new?", "blue"), example("new?", "red")]
    assert learning.text_only_accuracy(train, test) == 0.5  # a? right, b? wrong; blue is the most frequent of its type


def test_the_long_way_is_counted_by_type() -> None:
    both, one = "<think>\nSELECT(a): red 1\nSELECT(b): blue 2\nLARGER(1, 2): 2", "<think>\nSELECT(a): red 1\nQUERY"
    texts = [("compare", both), ("compare", one), ("neighbor_color", both), ("neighbor_value", one), ("color", one)]
    rows = [{"question_type": name, "prediction_raw": text} for name, text in texts]
    assert learning.long_way_shares(rows) == {"compare": 0.5, "neighbor_color": 1.0, "neighbor_value": 0.0}
