"""Fixtures of the unit tests that need a model."""

from collections.abc import Callable
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
def fails_if_called() -> Callable[..., Any]:
    """Stands in for a function that must not be called."""

    def called(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("called")

    return called
