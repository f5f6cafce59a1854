"""Make a virtual environment, or add packages to one: with uv, which pip fetches, and with pip where uv fails.

    python3 workflow/scripts/install.py .venv -r requirements.lock
    python3 workflow/scripts/install.py .venv -r requirements-slurm.in -c requirements.lock

It runs in the machine's own Python, before there is any package. uv does not read pip's configuration (indexes, wheels
on a disk, constraints); it is told of it here, so that both install the same packages.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from reinforced_cot.errors import PipelineError
from reinforced_cot.interpreter import exit_with_message
from reinforced_cot.paths import REPOSITORY

# pip's options that say where packages come from, and which; uv's have the same names.
OPTIONS = ("index-url", "extra-index-url", "find-links", "constraint", "no-index", "trusted-host")
FLAGS = ("no-index",)
PLACES = ("index-url", "extra-index-url", "find-links")
UV_NAMES = {"trusted-host": "allow-insecure-host"}


def main(argv: Sequence[str] | None = None) -> None:
    """Install, and say what is done and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="folder of the virtual environment; made where it is missing")
    parser.add_argument("packages", nargs="*", help="requirements that stand in no file")
    parser.add_argument("-r", "--requirements", type=Path, action="append", default=[], help="a file of requirements")
    parser.add_argument("-c", "--constraint", type=Path, action="append", default=[], help="a file of constraints")
    parser.add_argument("--no-build-isolation", action="store_true", help="build with the installed packages")
    parser.add_argument("--pip", action="store_true", help="without uv")
    args = parser.parse_args(argv)
    started, python = time.monotonic(), args.environment / "bin" / "python"
    what = ", ".join([*args.packages, *map(str, args.requirements)])
    print(f"{args.environment}: installing {what}", flush=True)
    if not python.exists():
        run([sys.executable, "-m", "venv", str(args.environment)])
    wanted = [*args.packages, *["--no-build-isolation"] * args.no_build_isolation]
    wanted += [part for file in args.requirements for part in ("-r", str(file))]
    wanted += [part for file in args.constraint for part in ("-c", str(file))]
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    tool = "pip" if args.pip or not with_uv(python, pip, wanted) else "uv"
    if tool == "pip":
        run([*pip, "install", *wanted])
    print(f"{args.environment}: ready after {time.monotonic() - started:.0f} s, with {tool}", flush=True)


def with_uv(python: Path, pip: Sequence[str], wanted: Sequence[str]) -> bool:
    """Install with uv, and return whether that was possible; one line says why not."""
    try:
        uv = python.with_name("uv")
        if not uv.exists():
            run([*pip, "install", pinned_uv(REPOSITORY / "requirements.lock")], is_quiet=True)
        listed = run([str(python), "-m", "pip", "config", "list"], is_quiet=True)
        command = [str(uv), "pip", "install", "--quiet", "--python", str(python)]
        run([*command, *uv_options(listed), *wanted], is_quiet=True)
    except PipelineError as error:
        print(f"uv cannot install here ({str(error).splitlines()[-1].strip()}); pip does, more slowly", flush=True)
        return False
    return True


def pinned_uv(lock: Path) -> str:
    """The requirement of uv in a lock file.

    Raises:
        PipelineError: it has none.
    """
    found = re.search(r"^uv==\S+$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise PipelineError(f"{lock} names no version of uv")
    return found[0]


def uv_options(listed: str) -> list[str]:
    """uv's options that stand for what ``pip config list`` printed.

    Values of the environment hold before those of `install`, and these before `global`. An index or a folder on this
    machine's disk that does not exist is left out, as pip does.
    """
    configured: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        configured |= {
            name: ast.literal_eval(value)
            for name, value in re.findall(rf"^{re.escape(section)}\.([\w-]+)=('.*'|\".*\")$", listed, re.MULTILINE)
        }
    options: list[str] = []
    for name in OPTIONS:
        if name in FLAGS:
            options += [f"--{name}"] * (configured.get(name, "").lower() in ("1", "true", "yes", "on"))
            continue
        for value in configured.get(name, "").split():
            is_remote = "://" in value and not value.startswith("file://")
            if is_remote or name not in PLACES or Path(value.removeprefix("file://")).exists():
                options += [f"--{UV_NAMES.get(name, name)}", value]
    # pip takes the best version of all indexes, uv by itself that of the first which has any.
    return [*options, "--index-strategy", "unsafe-best-match"] if "--extra-index-url" in options else options


def run(command: Sequence[str], is_quiet: bool = False) -> str:
    """What a command prints on stdout.

    Raises:
        PipelineError: it fails; the message ends with what it said last.
    """
    environment: Mapping[str, str] = {"UV_NO_PROGRESS": "1", **os.environ}
    ended = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE if is_quiet else None, text=True
    )
    if ended.returncode != 0:
        said = (ended.stderr or "").strip() or f"exit status {ended.returncode}"
        raise PipelineError(f"{' '.join(map(str, command))} failed\n{said}")
    return ended.stdout


if __name__ == "__main__":
    exit_with_message(main)
