"""Time in which the default environment is made, by uv and by pip, each without a cache.

    python benchmarks/environments.py

Both are made in a temporary folder by the script that `make` calls, from requirements.lock. Writes environments.json
and environments.md. Most of the time is the network's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import machine

REPO = Path(__file__).resolve().parents[1]
WITHOUT_CACHE = {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}


def main(argv: Sequence[str] | None = None) -> None:
    """Make both environments, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args(argv)
    lock = REPO / "requirements.lock"
    packages = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "machine": machine(),
            "packages": packages,
            "seconds": {tool: seconds(Path(folder) / tool, lock, tool) for tool in ("uv", "pip")},
        }
        if frozen(Path(folder) / "uv") != frozen(Path(folder) / "pip"):
            raise SystemExit("uv and pip have not installed the same packages")
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    args.out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))


def seconds(environment: Path, lock: Path, tool: str) -> float:
    """Wall time until an environment is ready; with uv, its own download is part of it."""
    command = [sys.executable, str(REPO / "workflow/scripts/install.py"), str(environment), "-r", str(lock)]
    started = time.monotonic()
    ended = subprocess.run(
        [*command, *["--pip"] * (tool == "pip")],
        env={**os.environ, **WITHOUT_CACHE},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    if not ended.stdout.endswith(f"with {tool}\n"):
        raise SystemExit(f"{tool} did not install: {ended.stdout}")
    return time.monotonic() - started


def frozen(environment: Path) -> list[str]:
    """Names and versions of all packages."""
    code = "from importlib.metadata import distributions as d; print(*sorted(f'{x.name}=={x.version}' for x in d()))"
    listed = subprocess.run([environment / "bin/python", "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return listed.stdout.split()


def page(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [f"| {tool} | {taken:.0f} |" for tool, taken in found["seconds"].items()]
    return "\n".join(
        [
            "# Environments",
            "",
            f"Seconds in which the default environment of {found['packages']} packages is made, without a cache.",
            f"Written by environments.py on {found['machine']}. uv and pip installed the same packages.",
            "",
            "| with | seconds |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
