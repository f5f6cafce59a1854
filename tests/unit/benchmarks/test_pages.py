"""A page of benchmarks/ is what its script writes from its figures, and names the command that made it."""

import json
import sys
from importlib import import_module

import pytest
from places import REPO

sys.path.append(str(REPO / "benchmarks"))


@pytest.mark.parametrize("name", ["intervals", "judge", "report_page", "scoring"])
def test_a_page_says_what_its_figures_say(name: str) -> None:
    folder = REPO / "benchmarks"
    result = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    assert import_module(name).page(result) == (folder / f"{name}.md").read_text(encoding="utf-8")


def test_the_judges_page_names_the_options_that_made_it() -> None:
    judge = import_module("judge")
    assert judge.command({}) == "python benchmarks/judge.py"
    assert judge.command({"sample": {}}) == "python benchmarks/judge.py --sample ../shared/data/gqa-cot-sample"
    assert judge.command({"sample": {}, "before": {}}).endswith("--sample ../shared/data/gqa-cot-sample --before JSON")
