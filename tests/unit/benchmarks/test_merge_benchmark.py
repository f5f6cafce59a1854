"""The page of benchmarks/merge.py: every way runs, and a disk that is too full is said so."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from places import REPO

sys.path.append(str(REPO / "benchmarks"))

import merge

from reinforced_cot.files import read_json


def test_every_way_runs_and_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"peft": 8.0, "ours": 1.0, "proved": 2.0}
    weights: dict[str, list[int]] = {}

    def measured(way: str, work: Path) -> dict[str, float]:
        merge.run(way, work)
        (folder,) = [folder for folder in (work / "merged", work / "policy/model") if folder.exists()]
        weights[way] = [sum(file.stat().st_size for file in folder.glob("*.safetensors"))]
        folder.rename(work / way)
        return {"seconds": sizes[way], "cpu_seconds": 1.0, "rss": sizes[way], "anonymous": 0.5, "mapped": 0.25}

    monkeypatch.setattr(merge, "measure", measured)
    merge.main(["--work", str(tmp_path), "--out", str(tmp_path / "page.json"), "--tiny", "--repeats", "1"])
    assert weights["ours"] == weights["proved"] and weights["peft"][0] == pytest.approx(weights["ours"][0], rel=0.05)
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| by shard | 1.0 | 1.0 | 1.00 | 0.50 | 0.25 | 8.00 | 0.12 |" in page
    assert "| by shard, with its proof | 2.0 | 1.0 | 2.00 | 0.50 | 0.25 | 4.00 | 0.25 |" in page
    found = read_json(tmp_path / "page.json")
    assert found["files"] > 1 and found["adapter_r"] == 16
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.json", "page.md"]


def test_a_full_disk_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(merge.shutil, "disk_usage", lambda path: SimpleNamespace(free=24.9e9))
    merge.main(["--work", str(tmp_path), "--out", str(tmp_path / "page.json")])
    assert f"skipped: {tmp_path} has 24.9 GB of free disk, and 25 are needed" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
