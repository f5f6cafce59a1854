"""The original's matcher and reward against what the original returned, recorded by running it."""

import json

import pytest
from places import SHARED

from reinforced_cot.scoring.original import legacy_extract, legacy_matches, legacy_reward

GOLDEN = SHARED / "data/original-golden/rewards.jsonl"


@pytest.fixture(scope="module")
def golden() -> list[dict]:
    if not GOLDEN.is_file():
        pytest.skip("original-golden is not beside the repository")
    return [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]


def test_the_golden_cases_pass(golden: list[dict]) -> None:
    assert len(golden) == 110
    for case in golden:
        think, answer = legacy_extract(case["completion"])
        assert (think, answer) == (case["extracted_think"], case["extracted_answer"])
        assert legacy_matches(answer, case["truth"]) == case["answer_matches"]
        assert legacy_matches(think, case["truth"]) == case["think_matches"]
        assert legacy_reward(case["completion"], case["truth"]) == pytest.approx(case["total"], abs=1e-9)


@pytest.mark.parametrize(
    ("completion", "truth", "reward"),
    [
        ("<think>a red cup</think><answer>red</answer>", "Red", 0.8 + 2.5),
        ("<think>a blue cup</think><answer>red</answer>", "Red", 0.8 + 1.5),
        ("<answer>red</answer>", "Red", 0.4 + 2.0),  # no thinking beats inconsistent thinking
        (
            "<think>a red cup</think><answer>red blue green grey</answer>",
            "Red",
            0.8 + 2.0,
        ),  # and so does an answer that names everything
        ("<think>it is</think><answer>blue</answer>", "Red", 0.8 - 1.0),
        ("<think>it is</think>", "Red", 0.4),  # leaving the answer out beats a wrong one
        ("<ANSWER>red", "Red", 2.0),
        ("", "Red", 0.0),
    ],
)
def test_rewards_by_the_rules(completion: str, truth: str, reward: float) -> None:
    assert legacy_reward(completion, truth) == pytest.approx(reward)
