"""Charts and CSV files of names and values that no library takes as they are."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report_runs import shares

from reinforced_cot.report import breakdowns, cells
from reinforced_cot.report.charts import as_svg, bars, curve
from reinforced_cot.report.logged_steps import history
from reinforced_cot.report.run import Run


@pytest.mark.parametrize("name", ["a\0b", "\x1b[2J", "\u202egnp", "var(--evil)", "var(--series-99)"])
def test_any_name_of_a_class_can_be_drawn(name: str) -> None:
    figure = bars("k", "title", [{"class": name, "name": "sft", "value": 1}], ["sft"], "label", {})
    text = as_svg(figure.spec)  # a control character would end the process
    assert text.startswith("<svg") and "\0" not in text and "\u202e" not in text
    assert json.dumps(figure.spec).count("evil") == (2 if "evil" in name else 0)  # in the rows and in their order


def test_gaps_and_infinite_values_are_left_out() -> None:
    values = pd.Series([1.0, float("inf"), float("nan"), 2.0], index=[1, 2, 3, 4])
    figure = curve("kl", "title", {"grpo": values}, "nats", {})
    assert [row["step"] for row in figure.spec["datasets"]["curve"]] == [1, 4]
    json.dumps(figure.spec, allow_nan=False)  # the page parses it


def test_a_chart_shows_the_classes_with_most_questions(tmp_path: Path) -> None:
    classes = {f"type_{number:03}": shares(0.5, number + 1) for number in range(105)}
    others: dict[str, dict[str, Any]] = {key: {} for key in ("by_answer_type", "by_semantic_type", "by_chain_length")}
    run = Run(tmp_path, [], {"sft": shares(0.5) | {"by_question_type": classes} | others})
    _, by_type = breakdowns.accuracies(run)
    assert by_type.title == "Accuracy by question type (the 30 with most questions, of 105)"
    assert [row["class"] for row in by_type.spec["datasets"]["dots"]] == [
        f"type_{number:03}" for number in range(75, 105)
    ]


def test_no_cell_of_a_csv_file_is_a_formula() -> None:
    hostile = ["=1+1", "-2+3+cmd|' /C calc'!A0", "+1e3+cmd", "\t=1", " @x"]
    harmless = ["+0.120", "-0.047 *", "-1.2e-07", "-", "-5", "[+0.1, +0.2]"]
    table = pd.DataFrame({"=column": hostile + harmless}, index=hostile + harmless)
    rows = [*csv.reader(cells.as_csv(table).splitlines())]
    assert rows[0] == ["", "'=column"]
    assert [name for name, _ in rows[1:]] == [f"'{text}" for text in hostile] + harmless
    assert all(name == value for name, value in rows[1:])


def test_a_long_training_is_averaged_and_its_table_is_whole() -> None:
    values = pd.Series(range(10_000), index=range(1, 10_001), dtype=float)
    figure = curve("reward", "Reward", {"grpo": values, "gspo": values.iloc[:1]}, "sum", {})
    rows = figure.spec["datasets"]["curve"]
    long = [row for row in rows if row["line"] == "grpo"]
    assert len(long) == 400 and long[0]["value"] == 12.0 and long[-1]["step"] == 10_000  # the mean of 25 steps
    assert [row["value"] for row in rows if row["line"] == "gspo"] == [0.0]  # one point is a chart, too
    assert len(figure.table) == 10_000


def test_a_step_that_was_logged_twice_and_a_training_that_logged_nothing() -> None:
    twice = pd.Series([1.0, 2.0, 3.0], index=[1, 2, 2])
    figure = curve("reward", "Reward", {"grpo": twice, "gspo": twice.iloc[:1]}, "sum", {})
    assert figure.table["grpo"].tolist() == [1.0, 3.0]
    assert history({"history": []}).empty
