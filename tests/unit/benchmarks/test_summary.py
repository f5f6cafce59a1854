"""The table of ratios in benchmarks/README.md says what the pages' figures say."""

import sys

from places import REPO

sys.path.append(str(REPO / "benchmarks"))

import summary


def test_the_readme_has_the_figures_of_the_last_runs() -> None:
    [block] = summary.BLOCK.findall(summary.README.read_text(encoding="utf-8"))
    assert block == summary.table()
    assert all(f"[{page}.md]({page}.md)" in block for page in summary.PAGES)
