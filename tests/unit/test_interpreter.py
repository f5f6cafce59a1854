"""A script starts itself again where Python would end it in the middle of a library."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tqdm import tqdm

from reinforced_cot.errors import PipelineError
from reinforced_cot.interpreter import exit_with_message, stage_environment
from reinforced_cot.paths import SCRIPTS

SCRIPT = '''"""A script."""

import sys

from reinforced_cot.interpreter import run_script


def main():
    """Say how Python runs."""
    print(sys.flags.utf8_mode, main.__doc__, open(__file__).encoding, sys.argv[1:], "größe")


if __name__ == "__main__":
    run_script(main)
'''


def run(tmp_path: Path, *options: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, *options, str(tmp_path / "script.py"), "a b", "ü"]
    plain = {name: os.environ[name] for name in ("PATH",)}
    return subprocess.run(command, env={**plain, "PYTHONPATH": str(SCRIPTS), **environment}, capture_output=True)


C = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    "environment",
    [{}, {"LC_ALL": "C.UTF-8"}, {**C, "PYTHONUTF8": "0"}, {"PYTHONOPTIMIZE": "2"}, {**C, "PYTHONOPTIMIZE": "2"}],
)
def test_a_script_runs_in_utf8_mode_and_with_docstrings(tmp_path: Path, environment: dict[str, str]) -> None:
    ended = run(tmp_path, **environment)
    assert ended.stdout.decode() == "1 Say how Python runs. utf-8 ['a b', 'ü'] größe\n", ended.stderr


def test_a_latin_1_locale(tmp_path: Path) -> None:
    name = "en_US.ISO-8859-1"
    if not shutil.which("localedef") or not Path("/usr/share/i18n/charmaps/ISO-8859-1.gz").exists():
        pytest.skip("needs localedef and its definitions, to make such a locale")
    subprocess.run(["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(tmp_path / name)], check=True)
    ended = run(tmp_path, LC_ALL=name, LOCPATH=str(tmp_path))
    assert ended.stdout.decode() == "1 Say how Python runs. utf-8 ['a b', 'ü'] größe\n", ended.stderr


@pytest.mark.parametrize("options", [["-OO"], ["-X", "utf8=0"]])
def test_an_option_that_forbids_it_is_refused_in_one_line(tmp_path: Path, options: list[str]) -> None:
    ended = run(tmp_path, *options)
    assert ended.returncode == 1 and ended.stderr.count(b"\n") == 1
    assert b"error: Python was started with -OO or -X utf8=0" in ended.stderr


def test_all_else_of_the_environment_is_kept() -> None:
    assert stage_environment({"A": "1", "PYTHONOPTIMIZE": "1"}) == {"A": "1", "PYTHONUTF8": "1"}


def test_an_interrupted_stage_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        exit_with_message(interrupted)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted: the same command goes on from what is complete\n"


def test_an_error_stands_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> None:
        bar = tqdm(range(3), desc="reading")
        next(iter(bar))
        raise PipelineError("it is refused")

    with pytest.raises(SystemExit, match=r"^error: it is refused$"):
        exit_with_message(refused)
    assert capsys.readouterr().err.endswith("\n")
