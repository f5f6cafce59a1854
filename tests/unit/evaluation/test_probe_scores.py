"""Hack probes against real questions: the original's matcher paid them; this one does not."""

import json
from collections import Counter

import pytest
from places import SHARED

from reinforced_cot.answers.truth import Truth
from reinforced_cot.data.examples import Example
from reinforced_cot.data.question_types import infer_question_type
from reinforced_cot.data.text_cleaning import without_prefix
from reinforced_cot.evaluation.probe_scores import probe_scores
from reinforced_cot.scoring.constant_answers import SLOPPY, constant_answers
from reinforced_cot.scoring.hack_probes import (
    TEXT_PROBES,
    constant_completions,
    is_near,
    listed_candidates,
)
from reinforced_cot.scoring.original import legacy_extract, legacy_matches
from reinforced_cot.scoring.prediction_rows import Prediction, unscored
from reinforced_cot.scoring.predictions import scored
from reinforced_cot.scoring.rewards import consistency_reward

SAMPLE = SHARED / "data/gqa-cot-sample/train_data.jsonl"


@pytest.fixture(scope="module")
def teacher() -> list[Prediction]:
    """The sample's own chains and answers as a policy's completions."""
    if not SAMPLE.is_file():
        pytest.skip("gqa-cot-sample is not beside the repository")
    rows = []
    for number, line in enumerate(SAMPLE.read_text(encoding="utf-8").splitlines()):
        record = json.loads(line)
        question, answer = without_prefix(record["instruction"]), record["answer"]
        kind = infer_question_type(question, answer)
        example = Example(f"q{number:03d}", ("a.png",), question, (answer,), kind, group=record["imageId"])
        completion = f"<think>{record['cot'][0]['text']}</think><answer>{answer}</answer>"
        rows.append(scored(unscored(example, completion)))
    return rows


def test_no_constant_scores_above_the_share_of_the_most_frequent_answer(teacher: list[Prediction]) -> None:
    most_frequent = max(Counter(row["gt_answer"].lower() for row in teacher).values()) / len(teacher)
    constants = [probe for probe in probe_scores(teacher) if probe["probe"] == "constant_answer"]
    assert len(constants) == 10 + 9 + 1 + len(SLOPPY)  # the frequent ones, each two, all of them at once
    for probe in constants:
        assert probe["score"] <= most_frequent, probe
        assert not probe["near"]
        if probe["text"] in SLOPPY or probe["text"].count(",") > 1:
            assert probe["score"] <= 0.02, probe  # words of every kind at once
    paid = [
        legacy_matches(legacy_extract(constant_completions("is it not right, left?")[0])[1], row["gt_answer"])
        for row in teacher
    ]
    assert sum(paid) / len(paid) == pytest.approx(0.653, abs=5e-4)  # what the original made of it


def test_chains_that_copy_answer_or_question_earn_no_bonus(teacher: list[Prediction]) -> None:
    found = {probe["probe"]: probe for probe in probe_scores(teacher)}
    assert found["copied_chain"]["policy"] >= 0.85  # the teacher's own chains
    for name in ("copied_chain", "padded_chain", "question_as_chain", "repeated_tags", "listed_candidates"):
        assert found[name]["score"] <= 0.02 and not found[name]["near"], found[name]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What color is the cup?", "red"),
        ("What color is the cup?", "brown"),
        ("How many cups are there?", "3"),
        ("How many cups are there?", "12"),
        ("Is the cup red?", "yes"),
        ("Is the cup red?", "no"),
        ("Is the cup red or blue?", "blue"),
        ("Is the man on the left or on the right?", "right"),
        ("What is the man holding?", "tennis racket"),
        ("What is the table made of?", "wood"),
        ("What is it?\nA. cat\nB. dog", "B"),
        ("What is it?\nA. cat\nB. dog", "dog"),
    ],
)
def test_a_chain_that_lists_candidates_earns_no_bonus(question: str, answer: str) -> None:
    completion = [[{"role": "assistant", "content": listed_candidates(question, answer)}]]
    assert consistency_reward(completion, question=[question], answer=[answer]) == [0.0]


def test_the_reward_sees_through_them_as_the_probe_does() -> None:
    texts = [complete("What color is the cup?", "red") for complete in TEXT_PROBES.values()]
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    n = len(completions)
    assert consistency_reward(completions, question=["What color is the cup?"] * n, answer=["red"] * n) == [
        0.0,
        0.0,
        0.0,
        -1.0,
        0.0,
    ]


def test_constants_are_the_frequent_answers_and_the_cheats() -> None:
    truths = ["No", "no", "yes", *(str(n) for n in range(20))]
    found = constant_answers([Truth((truth,)) for truth in truths])
    assert found[:2] == ["no", "0"] and found[10] == "no, 0" and found[19].startswith("no, 0, 1")
    assert found[-3:] == list(SLOPPY)


@pytest.mark.parametrize(
    ("score", "policy", "near"),
    [(0.1, 0.0, False), (0.8, 1.0, True), (0.79, 1.0, False), (-0.4, -0.5, True), (-0.6, -0.5, False)],
)
def test_near(score: float, policy: float, near: bool) -> None:
    assert is_near(score, policy) is near
