"""The contracts between rooms hold, and an import that breaks one is named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import REPO, SCRIPTS


def lint(root: Path, module: str = "seeds.py", line: str = "") -> "subprocess.CompletedProcess[str]":
    """``lint-imports`` on a copy of the package in ``root``, after ``line`` was added to one module."""
    shutil.copytree(SCRIPTS / "reinforced_cot", root / "reinforced_cot", ignore=shutil.ignore_patterns("__pycache__"))
    with open(root / "reinforced_cot" / module, "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    command = [
        str(Path(sys.executable).parent / "lint-imports"),
        "--config",
        str(REPO / "pyproject.toml"),
        "--no-cache",
    ]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_the_package_keeps_its_contracts(tmp_path: Path) -> None:
    run = lint(tmp_path)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("data/prompts.py", "from reinforced_cot.models import families", "Rooms import downward only BROKEN"),
        ("scoring/metrics.py", "from reinforced_cot.models import families", "Rooms import downward only BROKEN"),
        ("seeds.py", "from reinforced_cot.data import prompts", "import none of them BROKEN"),
        ("policies/graph.py", "import torch", "Pure logic is free of torch BROKEN"),
        ("data/completions.py", "from reinforced_cot.data import prompts", "No import circle anywhere BROKEN"),
    ],
)
def test_an_import_that_breaks_a_contract_is_named(tmp_path: Path, module: str, line: str, contract: str) -> None:
    run = lint(tmp_path, module, line)
    assert run.returncode == 1 and contract in run.stdout, run.stdout
    assert Path(module).stem in run.stdout
