"""docs/eval-json.md has a row for every key of eval.json, and for no other."""

import re
from collections.abc import Iterator
from typing import Any

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.evaluation.scores import evaluate, scored_rows
from reinforced_cot.paths import REPOSITORY
from reinforced_cot.scoring.prediction_rows import unscored

PAGE = (REPOSITORY / "docs/eval-json.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
# Keys whose own keys come from the data, and classes of questions, which have the shares of the top level.
NAMED_BY_DATA = {
    *("answer_forms", "parse_problems", "by_true_answer", "by_true_answer.*.truths", "chain_consistency"),
    *("sampled.pass_at_k", "gqa.by_structural_type", "gqa.by_semantic_type", "gqa.by_words", "gqa.by_steps"),
}
CLASSES = {"by_question_type", "by_answer_type", "by_semantic_type", "by_chain_length"}


def written() -> dict[str, Any]:
    """An eval.json with all of its parts: samples, answers without a chain, GQA's metrics, a malformed completion."""
    right = completion_text("SELECT(a): red 7\nQUERY(color): red", "red")
    rows = [
        unscored(
            Example(
                f"q{number}",
                ("a.png",),
                "What color is it?",
                ("red",),
                "color",
                semantic_type="attr",
                group=f"g{number}",
            ),
            completion,
            samples=[right, completion],
            direct_raw="red",
        )
        for number, completion in enumerate((right, "red", completion_text("I look.", "blue")))
    ]
    types = {"structural": "query", "semantic": "attr"}
    record = {"isBalanced": True, "answer": "red", "question": "What color is it?", "types": types, "semantic": []}
    return evaluate(list(scored_rows(rows)), {row["id"]: record for row in rows})


def keys(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all values below a key, with a star for each name that the data gives."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = {key: part for entry in value for key, part in entry.items()}
    if path in CLASSES:
        yield f"{path}.*"
    elif isinstance(value, dict):
        for key, part in value.items():
            name = "*" if path in NAMED_BY_DATA else key
            yield from keys(part, f"{path}.{name}" if path else name)
    else:
        yield path


def test_every_key_of_eval_json_has_a_row_with_meaning_and_unit() -> None:
    listed = [re.sub(r"\{\w+\}", "*", key) for key, _, _ in ROWS]
    assert len(set(listed)) == len(listed)
    assert set(listed) == set(keys(written()))
    assert all(meaning.strip() and unit.strip() for _, meaning, unit in ROWS)


def test_the_shares_of_a_class_are_those_that_the_page_names() -> None:
    found = written()
    [sentence] = re.findall(r"Each class of questions has (.+?), as above", PAGE, re.DOTALL)
    named = set(re.findall(r"`(\w+)`", sentence))
    for key in CLASSES:
        assert found[key]
        assert all(set(shares) == named for shares in found[key].values())
    assert named <= {key for key, _, _ in ROWS}
