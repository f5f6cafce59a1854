"""A change of what is right or supported gets a version of its own, and the verdicts that it moves can be listed."""

import hashlib
import json
from pathlib import Path

import pytest
import score

from reinforced_cot.code_hashes import module_hashes
from reinforced_cot.data.completions import completion_text
from reinforced_cot.files import write_jsonl
from reinforced_cot.paths import SCRIPTS
from reinforced_cot.scoring.version import RULES

RULE_MODULES = [
    *(
        f"{room}.{file.stem}"
        for room in ("matching", "answers", "reading", "judging")
        for file in sorted((SCRIPTS / "reinforced_cot" / room).glob("[!_]*.py"))
    ),
    *("data.tokens", "data.listed_choices", "data.question_format", "data.text_cleaning", "data.parsing"),
]
# After a change of the rules: raise RULES, and write the new pair here.
PINNED = (6, "c77e9d6530e1db78")


def test_a_change_of_the_rules_has_a_version() -> None:
    names = [f"reinforced_cot.{name}" for name in RULE_MODULES]
    hashes = module_hashes(names, SCRIPTS)
    digest = hashlib.sha256("".join(hashes[name] for name in names).encode()).hexdigest()[:16]
    assert (RULES, digest) == PINNED


def test_the_verdicts_that_moved_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = completion_text("I look at the cup. It is red.", "red")
    row = {"id": "q1", "instruction": "What color is the cup?", "gt_answer": "red", "prediction_raw": text}
    file = tmp_path / "predictions.jsonl"
    write_jsonl(file, [{**row, "is_correct": False, "chain_verdict": "support"}, {**row, "id": "q2"}])
    score.main([str(file), "--moved"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "q1: is_correct False -> True: 'What color is the cup?', truth 'red', answer 'red'"
    assert lines[1:] == [f"{file}: 1 verdicts of 2 questions differ under rules {RULES}"]
    score.main([str(file)])
    assert json.loads(capsys.readouterr().out)["scoring_rules"] == RULES


@pytest.mark.parametrize(
    ("key", "before", "now"),
    [
        ("is_correct", False, True),
        ("chain_verdict", "unknown", "support"),
        ("bare_chain", True, False),
        ("control_verdict", "support", "contradict"),
        ("control_verdict", None, "contradict"),
    ],
)
def test_each_verdict_may_have_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, before: object, now: object
) -> None:
    text = completion_text("The cup stands beside a white plate and has a handle. It is red.", "red")
    row = {"id": "q1", "instruction": "Is the cup red or blue?", "gt_answer": "red", "prediction_raw": text}
    file = tmp_path / "predictions.jsonl"
    write_jsonl(file, [{**row, key: before}])
    score.main([str(file), "--moved"])
    assert f"q1: {key} {before} -> {now}: " in capsys.readouterr().out


def test_of_a_plain_answer_only_its_being_right_can_have_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = {"is_correct": True, "chain_verdict": "unknown", "bare_chain": False, "control_verdict": None}
    row = {"id": "q1", "instruction": "Is it red?", "gt_answer": "yes", "prediction_raw": "yes", **older}
    file = tmp_path / "predictions.jsonl"
    write_jsonl(file, [{**row, "answer_form": "plain"}])
    score.main([str(file), "--moved"])
    assert capsys.readouterr().out == f"{file}: 0 verdicts of 1 questions differ under rules {RULES}\n"
