"""Fixtures of the unit tests that need a model or a disk of their own."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_run import TinyRun, made_trainer, make_tiny_run


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_tiny_run(tmp_path_factory.mktemp("tiny_run"))


@pytest.fixture(scope="module")
def trainer(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """RL's trainer before its training; its adapter has an effect."""
    from reinforced_cot.training import grpo as grpo_stage

    data, output = (tiny_run.examples, tiny_run.data, tiny_run.base), tmp_path_factory.mktemp("rl")
    return made_trainer(grpo_stage, tiny_run.settings().grpo, *data, output, None)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, which root alone can mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a failed write may have left a file open


@pytest.fixture
def fails_if_called() -> Callable[..., Any]:
    """Stands in for a function that must not be called."""

    def called(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("called")

    return called
