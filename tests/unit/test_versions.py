"""The lock is the one source of versions; every other file that names versions agrees with it."""

import re
from pathlib import Path

import yaml

PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)


def test_every_direct_dependency_is_locked_at_its_version(repo: Path) -> None:
    locked = {name.lower(): version for name, version in PINNED.findall((repo / "requirements.lock").read_text())}
    for name, version in PINNED.findall((repo / "requirements.in").read_text()):
        assert locked[name.lower()] == version


def test_lock_names_exact_versions_that_every_machine_can_install(repo: Path) -> None:
    lines = [line for line in (repo / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 100
    for line in lines:
        assert PINNED.fullmatch(line), line
        assert "+" not in line, f"{line}: a local version exists on one machine only"


def test_conda_users_get_the_same_versions(repo: Path) -> None:
    environment = yaml.safe_load((repo / "environment.yml").read_text())
    pip = environment["dependencies"][-1]["pip"]
    assert pip == [line for line in (repo / "requirements.lock").read_text().splitlines() if not line.startswith("#")]


def test_heavy_extras_stay_out_of_the_default_environment(repo: Path) -> None:
    extras = [(repo / f"requirements-{name}.in").read_text() for name in ("slurm", "gpu", "vllm", "trackers")]
    heavy = {name.lower() for text in extras for name, _ in PINNED.findall(text)}
    locked = {name.lower() for name, _ in PINNED.findall((repo / "requirements.lock").read_text())}
    assert {"vllm", "deepspeed", "bitsandbytes", "snakemake-executor-plugin-slurm", "wandb"} <= heavy
    assert not heavy & locked
