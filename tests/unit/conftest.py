"""Fixtures of the unit tests that need a model."""

from collections.abc import Callable
from typing import Any

import pytest
from tiny_run import TinyRun, make_tiny_run


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_tiny_run(tmp_path_factory.mktemp("tiny_run"))


@pytest.fixture
def fails_if_called() -> Callable[..., Any]:
    """In place of a function that must not be reached."""

    def called(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("called")

    return called
