"""Lines that were lost from answers or predictions are noticed by what reads them."""

import json
from pathlib import Path
from typing import Any

import compare
import pytest
import score

from reinforced_cot.data.examples import Example, write_examples
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json, write_jsonl
from reinforced_cot.scoring.prediction_rows import unscored

EXAMPLES = [Example(f"q{i}", (f"images/{i}.png",), "Is it red?", ("yes",), "verify", group=str(i)) for i in range(4)]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_examples(tmp_path / "data/test.jsonl", EXAMPLES)
    rows = [unscored(example, "<think>It is.</think><answer>yes</answer>") for example in EXAMPLES]
    for policy in ("base", "sft"):
        write_jsonl(tmp_path / policy / "answers.jsonl", rows)
        write_jsonl(tmp_path / policy / "predictions.jsonl", rows)
    return tmp_path


def evaluate(results: Path) -> None:
    answers, asked = str(results / "sft/answers.jsonl"), str(results / "data/test.jsonl")
    score.main([answers, "--asked", asked, "--out", str(results / "sft/eval.json")])


def compare_all(results: Path) -> None:
    asked, output = str(results / "data/test.jsonl"), str(results / "comparisons.json")
    compare.main(["--results", str(results), "--policies", "base", "sft", "--asked", asked, "--output", output])


READERS = {"answers.jsonl": evaluate, "predictions.jsonl": compare_all}


def lose(lines: list[str], kind: str) -> str:
    if kind == "the end":
        lines = lines[:-1]
    elif kind == "the middle":
        del lines[1:3]
    elif kind == "half a line":
        lines[-1] = lines[-1][:40]
    elif kind == "a key":
        lines[0] = json.dumps({key: value for key, value in json.loads(lines[0]).items() if key != "gt_answer"}) + "\n"
    elif kind == "an id":
        lines[0] = lines[0].replace('"q0"', '"q9"')
    elif kind == "all":
        lines = []
    return "".join(lines)


@pytest.mark.parametrize("file", READERS)
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("the end", "has 3 questions, and .*test.jsonl has 4; q3 is in one of them alone"),
        ("the middle", "has 2 questions, and .*test.jsonl has 4; q1 is"),
        ("half a line", "line 4: not valid JSON"),
        ("a key", "line 1: the key `gt_answer` is missing"),
        ("an id", "has 4 questions, and .*test.jsonl has 4; q0 is"),
        ("all", "holds no predictions"),
    ],
)
def test_what_is_lost_is_named(results: Path, file: str, kind: str, message: str) -> None:
    READERS[file](results)
    path = results / "sft" / file
    path.write_text(lose(path.read_text().splitlines(keepends=True), kind))
    with pytest.raises(DataError, match=rf"sft/{file}.*{message}.*delete \S*sft/{file} and give the same"):
        READERS[file](results)


def test_files_of_other_systems_need_no_split(results: Path) -> None:
    (results / "sft/answers.jsonl").write_text((results / "base/answers.jsonl").read_text().split("\n")[0])
    score.main([str(results / "sft/answers.jsonl"), "--out", str(results / "eval.json")])
    scores: dict[str, Any] = read_json(results / "eval.json")
    assert scores["n"] == 1
