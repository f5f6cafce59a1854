"""Environments get their packages from where pip's configuration says, by uv or, where uv fails, by pip."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import install
import pytest
from places import REPO, SCRIPTS

from reinforced_cot.errors import PipelineError


def wheel(folder: Path) -> Path:
    """A package without code, as a wheel in ``folder``."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "toy_package-1.0-py3-none-any.whl", "w") as file:
        info = "toy_package-1.0.dist-info"
        file.writestr("toy_package.py", "")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"toy_package.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return folder


def installed(environment: Path, wheels: Path, requirement: str = "toy-package==1.0") -> tuple[int, str]:
    """Exit status and output of the script with an index of ``wheels`` alone, which only pip's variables name."""
    requirements = environment.with_suffix(".in")
    requirements.write_text(f"{requirement}\n")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    run = subprocess.run(
        [sys.executable, str(SCRIPTS / "install.py"), str(environment), "-r", str(requirements)],
        env={**variables, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def has_package(environment: Path) -> bool:
    return subprocess.run([environment / "bin/python", "-c", "import toy_package"], check=False).returncode == 0


def test_uv_installs_what_pips_configuration_offers_and_pip_does_without_uv(tmp_path: Path) -> None:
    wheels, environment = wheel(tmp_path / "wheels"), tmp_path / "venv"
    status, text = installed(environment, wheels)  # there is no uv among the wheels
    assert status == 0 and has_package(environment), text
    line, fallback, ready = text.splitlines()
    assert line == f"{environment}: installing {environment.with_suffix('.in')}"
    assert re.fullmatch(r"uv cannot install here \(.*uv==.*\); pip does, more slowly", fallback)
    assert re.fullmatch(rf"{environment}: ready after \d+ s, with pip", ready)

    subprocess.run([environment / "bin/python", "-m", "pip", "uninstall", "-q", "-y", "toy-package"], check=True)
    (environment / "bin/uv").symlink_to(Path(sys.executable).parent / "uv")
    status, text = installed(environment, wheels)
    assert status == 0 and has_package(environment) and text.endswith("with uv\n"), text

    status, text = installed(environment, wheels, "no-such-package==1.0")
    assert status == 1 and "error: " in text.splitlines()[-2] and "no-such-package" in text, text


def test_pips_configuration_in_uvs_words(tmp_path: Path) -> None:
    listed = f"""\
:env:.find-links='{tmp_path}'
global.cert='/some/cert.pem'
global.constraint='constraints.txt'
global.extra-index-url='https://one.example/simple file:///no/such/folder https://two.example/simple'
global.find-links='/no/such/folder'
global.index-url='https://old.example/simple'
install.index-url='https://new.example/simple'
install.trusted-host='new.example'
"""
    assert install.uv_options(listed) == [
        *("--index-url", "https://new.example/simple"),
        *("--extra-index-url", "https://one.example/simple", "--extra-index-url", "https://two.example/simple"),
        *("--find-links", str(tmp_path)),
        *("--constraint", "constraints.txt"),
        *("--allow-insecure-host", "new.example"),
        *("--index-strategy", "unsafe-best-match"),
    ]
    assert install.uv_options("") == []


def test_the_lock_names_uv(tmp_path: Path) -> None:
    assert install.pinned_uv(REPO / "requirements.lock").startswith("uv==")
    (tmp_path / "lock").write_text("uvicorn==1.0\n")
    with pytest.raises(PipelineError, match="lock names no version of uv"):
        install.pinned_uv(tmp_path / "lock")
