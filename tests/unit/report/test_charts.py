"""Charts of many classes, of texts that would act, and of long trainings."""

import json

import pandas as pd
import pytest

from reinforced_cot.report.charts import as_svg, bars, curve, dots, grid


@pytest.mark.parametrize("form", [dots, bars])
def test_a_chart_shows_the_first_classes_and_its_table_all(form: object) -> None:
    bounds = {"low": 0.1, "high": 0.3, "n": 9}
    rows = [{"class": f"type {n:03}", "name": "sft", "value": 0.2, **bounds} for n in range(200)]
    figure = form("types", "By type", rows, ["sft"], "share", {})  # type: ignore[operator]
    [drawn] = figure.spec["datasets"].values()
    assert len(drawn) == 30 and len(figure.table) == 200
    assert figure.says == ["The first 30 of 200 are shown; the CSV file has all."]
    assert "type 029" in as_svg(figure.spec) and "type 030" not in as_svg(figure.spec)


def test_texts_that_would_act_are_seen() -> None:
    hostile = "\u202egnp\x1b[31m<script>"
    rows = [{"class": hostile, "name": "sft", "value": 0.5, "low": None, "high": None, "n": 3}]
    cells = [{"row": hostile, "column": hostile, "share": 1.0, "n": 3}]
    for figure in (
        dots("d", "D", rows, ["sft"], "share", {}),
        bars("b", "B", rows, ["sft"], "share", {}),
        grid("g", "G", cells, [hostile], [hostile], ("true", "said")),
    ):
        svg = as_svg(figure.spec)
        assert "\u202e" not in svg and "\x1b" not in svg and "<script>" not in svg
        assert "\\u202egnp" in json.loads(json.dumps(figure.spec))["datasets"].popitem()[1][0].get(
            "class", "\\u202egnp"
        )


def test_a_long_training_is_averaged_and_its_table_is_whole() -> None:
    values = pd.Series(range(10_000), index=range(1, 10_001), dtype=float)
    figure = curve("reward", "Reward", {"grpo": values, "gspo": values.iloc[:1]}, "sum", {})
    rows = figure.spec["datasets"]["curve"]
    long = [row for row in rows if row["line"] == "grpo"]
    assert len(long) == 400 and long[0]["value"] == 12.0 and long[-1]["step"] == 10_000  # the mean of 25 steps
    assert [row["value"] for row in rows if row["line"] == "gspo"] == [0.0]  # one point is a chart, too
    assert len(figure.table) == 10_000
