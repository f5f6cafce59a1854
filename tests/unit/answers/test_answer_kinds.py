"""Adversarial answers of every kind: right ones that a strict rule may miss, wrong ones that a lax one may pay."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from reinforced_cot.answers.kinds import credit
from reinforced_cot.answers.truth import Truth

CASES = Path(__file__).parents[2] / "data/answer_kinds"
KINDS = ["yes_no", "choice", "letter", "text", "number", "math", "box", "list", "set", "vqa"]


def credits(entry: dict[str, Any]) -> list[tuple[str, float]]:
    listed = [(answer, 1.0) for answer in entry.get("right", [])] + [(answer, 0.0) for answer in entry.get("wrong", [])]
    return [*((written_out(answer), value) for answer, value in listed), *entry.get("credits", {}).items()]


def written_out(answer: str | dict[str, Any]) -> str:
    """A long answer is written as the text that it repeats."""
    if isinstance(answer, str):
        return answer
    return answer.get("before", "") + answer["text"] * answer["times"] + answer.get("after", "")


def cases_of(kind: str) -> list[Any]:
    cases = []
    for entry in yaml.safe_load((CASES / f"{kind}.yaml").read_text("utf-8")):
        answers = entry["truth"] if isinstance(entry["truth"], list) else [entry["truth"]]
        choices = tuple(entry.get("choices", ()))
        truth = Truth(tuple(answers), entry["question"], kind=entry.get("kind", kind), choices=choices)
        for answer, value in credits(entry):
            name = f"{kind}-{answers[0]!r}-{answer[:60]!r}-{value:.2g}".encode("unicode_escape").decode()
            cases.append(pytest.param(truth, answer, value, id=name))
    return cases


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_enough_cases(kind: str) -> None:
    assert len(cases_of(kind)) >= 50


@pytest.mark.parametrize(("truth", "answer", "value"), [case for kind in KINDS for case in cases_of(kind)])
def test_credit(truth: Truth, answer: str, value: float) -> None:
    assert credit(answer, truth) == pytest.approx(value)
