"""A copy of the repository in a folder of its own, on which Snakemake is run for real."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PARTS = ("Snakefile", "rules", "workflow", "config", "profiles", "tests/configs", "environment.yml")
_COUNT = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class WorkflowCopy:
    """The workflow in ``root``, called with ``options`` before every further argument."""

    root: Path
    options: tuple[str, ...] = ()

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """What Snakemake prints, stdout and stderr together; its exit status must be 0 if ``check``."""
        environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
        environment.pop("SNAKEMAKE_PROFILE", None)
        run = subprocess.run(
            [sys.executable, "-m", "snakemake", *self.options, *arguments],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if check and run.returncode != 0:
            raise AssertionError(f"snakemake {' '.join(arguments)} failed:\n{run.stdout[-6000:]}")
        return run.stdout

    def refusal(self, *arguments: str) -> str:
        """What a dry-run prints that must not pass."""
        text = self.snakemake("--dry-run", "--cores", "2", *arguments, check=False)
        assert "This was a dry-run" not in text, text
        return text

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rules that a dry-run would execute, with the number of their jobs; without the target rule ``all``."""
        text = self.snakemake("--dry-run", "--cores", "2", *arguments)
        if "Job stats:" not in text:
            assert "Nothing to be done" in text, text
            return {}
        table = text.split("Job stats:")[1].split("\n\n")[0]
        return {rule: int(n) for rule, n in _COUNT.findall(table) if rule not in ("total", "all")}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace ``old``, which must be there exactly once, in a file of the copy."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def copy_workflow(repo: Path, root: Path, *options: str) -> WorkflowCopy:
    """Copy what a run needs from ``repo`` to ``root``."""
    for part in PARTS:
        source, target = repo / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    return WorkflowCopy(root, options)
