"""A compiler that was killed does not block the runs after it; one that is at work is left alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reinforced_cot.launch.compiled_operators import prepare_operators

# As torch.utils.file_baton.FileBaton does.
COMPILER = "import os, sys; os.open(sys.argv[1], os.O_CREAT | os.O_EXCL); print(flush=True); input()"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", "")  # so that it is restored
    del os.environ["TORCH_EXTENSIONS_DIR"]
    prepare_operators()
    yield Path(os.environ.pop("TORCH_EXTENSIONS_DIR"))


def again() -> None:
    os.environ.pop("TORCH_EXTENSIONS_DIR", None)
    prepare_operators()


def test_the_folder_is_this_machines(folder: Path, tmp_path: Path) -> None:
    assert folder.parent == tmp_path / "torch_extensions" and folder.name.startswith(os.uname().nodename)


def test_a_lock_is_deleted_when_its_compiler_was_killed(folder: Path) -> None:
    lock = folder / "cpu_adam/lock"
    lock.parent.mkdir(parents=True)
    command = [sys.executable, "-c", COMPILER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as compiler:
        assert compiler.stdout and compiler.stdout.readline()
        again()
        assert lock.exists()
        compiler.kill()
    again()
    assert not lock.exists() and lock.parent.exists()


def test_a_folder_that_the_user_chose_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    (tmp_path / "cpu_adam").mkdir()
    (tmp_path / "cpu_adam/lock").touch()
    prepare_operators()
    assert (tmp_path / "cpu_adam/lock").exists() and os.environ["TORCH_EXTENSIONS_DIR"] == str(tmp_path)
