"""The benchmarks that compare one way with another run, and find what they compare to be the same where they say so."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import REPO, SHARED

from reinforced_cot.files import read_json

SAMPLE = SHARED / "data/gqa-cot-sample"
pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs ../shared/data/gqa-cot-sample")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`benchmarks/` as the place that scripts there import one another from; one has the name of a stage's script."""
    names = ("photo_runs", "shared_prefix", "grpo_step", "sft", "evaluation", "scaling")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    yield
    for name in names:
        sys.modules.pop(name, None)


def measured(name: str, out: Path, *args: str) -> dict[str, Any]:
    """What a script writes; what the original padded to 2048 tokens is padded to fewer here."""
    script: Any = importlib.import_module(name)
    if hasattr(script, "PADDED"):
        script.PADDED = 640
    script.main(["--sample", str(SAMPLE), "--out", str(out / f"{name}.json"), *args])
    assert (out / f"{name}.md").read_text(encoding="utf-8").startswith("# ")
    return dict(read_json(out / f"{name}.json"))


def test_shared_prefixes_have_the_same_gradients(scripts: None, tmp_path: Path) -> None:
    [found] = measured("shared_prefix", tmp_path, "--sizes", "2", "--repeats", "1")["results"]
    assert found["gradient_error"] < 1e-5 and found["seconds_shared"] > 0


def test_a_whole_step_is_timed_either_way(scripts: None, tmp_path: Path) -> None:
    [found] = measured("grpo_step", tmp_path, "--sizes", "2", "--tokens", "8", "--steps", "2")["results"]
    assert found["ratio"] == pytest.approx(found["seconds_stock"] / found["seconds_shared"])


def test_a_step_of_two_processes_is_timed(scripts: None, tmp_path: Path) -> None:
    by_processes = importlib.import_module("scaling").by_processes
    found = by_processes(SAMPLE, tmp_path / "step.json", 2, 1, "--sizes", "2", "--tokens", "8", "--steps", "2")
    assert found["processes"] == 2 and found["ratio"] > 0


def test_chains_are_counted_in_three_ways(scripts: None, tmp_path: Path) -> None:
    found = measured("sft", tmp_path, "--rows", "4", "--batch", "2")
    assert found["rows"] == 4 and min(found[way] for way in ("own", "own_later_epochs", "original", "stock")) > 0


def test_questions_are_counted_either_way(scripts: None, tmp_path: Path) -> None:
    found = measured("evaluation", tmp_path, "--questions", "8", "--samples", "1", "--tokens", "4")
    assert found["questions"] == 8 and min(found[way] for way in ("original", "first_policy", "further")) > 0


def test_operations_are_counted_as_they_grow(scripts: None) -> None:
    operations = importlib.import_module("scaling").operations
    size = {"G": 8, "P": 400, "C": 100}
    assert operations(**size, shared=False) == pytest.approx(8 / 2 * operations(G=2, P=400, C=100, shared=False))
    assert operations(**size, shared=True) < operations(**size, shared=False)
    alone = {"G": 1, "P": 400, "C": 100}  # nothing to share; what a mask hides is not computed
    ratio = operations(**alone, shared=False) / operations(**alone, shared=True)
    assert 1 < ratio < 1.2
