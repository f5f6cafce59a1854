"""`make compare`: policies of two results folders, with the tests of the rule `compare`."""

import json
from pathlib import Path

import compare_runs
import pytest
from report_runs import write_answers

from reinforced_cot.errors import DataError


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs of the same questions: the policies of the second are right more often."""
    write_answers(tmp_path / "x", ["base", "sft", "grpo"], questions=12)
    write_answers(tmp_path / "y", ["zero", "one", "sft", "grpo", "extra"], questions=12)
    return tmp_path / "x", tmp_path / "y"


def test_policies_of_one_name_are_compared(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    compare_runs.main([*map(str, runs)])
    text = capsys.readouterr().out
    assert f"{runs[1]}/sft against {runs[0]}/sft: +0.167" in text and f"{runs[1]}/grpo against {runs[0]}/grpo" in text
    assert "2 questions gained, 0 lost" in text and "extra" not in text and "\x1b" not in text


def test_two_policies_of_other_names(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    compare_runs.main([str(runs[0] / "grpo"), str(runs[1] / "extra")])
    assert "4 questions gained, 0 lost" in capsys.readouterr().out


def test_what_cannot_be_compared_is_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = map(str, runs)
    with pytest.raises(DataError, match="absent is no folder"):
        compare_runs.main([first, str(tmp_path / "absent")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty has no evaluated policy: looked for \S+/predictions\.jsonl"):
        compare_runs.main([first, str(tmp_path / "empty")])
    with pytest.raises(DataError, match="is one policy and the other folder a run"):
        compare_runs.main([f"{first}/sft", second])
    write_answers(tmp_path / "z", ["other"], questions=12)
    with pytest.raises(DataError, match="none of one name; name two policies"):
        compare_runs.main([first, str(tmp_path / "z")])
    rows = (tmp_path / "y/sft/predictions.jsonl").read_text().splitlines()
    changed = json.dumps({**json.loads(rows[0]), "gt_answer": "horse"})
    (tmp_path / "y/sft/predictions.jsonl").write_text("\n".join([changed, *rows[1:]]))
    with pytest.raises(DataError, match="were asked different questions"):
        compare_runs.main([first, second])
    with pytest.raises(SystemExit):
        compare_runs.main([first, first])
