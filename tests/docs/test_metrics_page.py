"""Every curve of a run, and every probe, has its row on the page of metrics."""

import json
import re

from places import REPO
from workflow_copy import WorkflowCopy

from reinforced_cot.data.image_probes import IMAGE_PROBES
from reinforced_cot.scoring.hack_probes import CONSTANT_ANSWER, TEXT_PROBES

PAGE = (REPO / "docs/metrics.md").read_text(encoding="utf-8")
FIRST_CELLS = re.findall(r"^\| (`.+?`) \|", PAGE, re.MULTILINE)
NAMES = [name for cell in FIRST_CELLS for name in re.findall(r"`([^`]+)`", cell)]


def is_explained(curve: str) -> bool:
    patterns = (re.sub(r"\\\{\w+\\\}|\\\*", "[^/]+", re.escape(name)) for name in NAMES)
    return any(re.fullmatch(pattern, curve) for pattern in patterns)


def test_every_curve_of_a_run_is_explained(finished_run: WorkflowCopy) -> None:
    files = sorted((finished_run.root / "results/smoke").glob("*/metrics.json"))
    curves = {name for file in files for entry in json.loads(file.read_text())["history"] for name in entry}
    assert len(files) >= 3 and len(curves) > 30
    assert sorted(curve for curve in curves if not is_explained(curve)) == []


def test_every_probe_is_explained() -> None:
    assert {CONSTANT_ANSWER, *TEXT_PROBES, *IMAGE_PROBES} <= {*NAMES}


def test_a_curve_that_no_row_names_is_found() -> None:
    assert not is_explained("completions/median_length") and is_explained("rewards/format_reward/mean")
