"""Whole runs of the pipeline at several seeds, for the pages that need them."""

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[1]
sys.path.append(str(REPO / "workflow" / "scripts"))

from reinforced_cot.config.configuration import Config  # noqa: E402
from reinforced_cot.config.stage_settings import seed_folders  # noqa: E402
from reinforced_cot.files import write_text  # noqa: E402


def run_at_seeds(
    name: str, seeds: Sequence[int], settings: Mapping[str, Any], *presets: str, further: Sequence[str] = ()
) -> dict[int, Path]:
    """Run everything at each seed; finished stages of an earlier call are not repeated.

    Args:
        further: files below the results that are made as well.
        name: the runs go to ``results/{name}``.
        settings: the keys that differ from the demo and the presets.
        presets: configuration files, relative to the repository.

    Returns:
        Each seed's results folder.
    """
    results = Path("results") / name
    chosen: dict[str, Any] = {"seed": seeds[0], "seeds": list(seeds[1:])}
    parent = {} if presets else {"extends": "demo"}
    config = REPO / "results" / f"{name}.yaml"
    write_text(config, yaml.safe_dump({**parent, **settings, **chosen, "pathvars": {"results": str(results)}}))
    command = ["snakemake", "--configfile", *presets, str(config), "--cores", "all"]
    command += ["--", "all", *(str(results / file) for file in further)] if further else []
    subprocess.run([sys.executable, "-m", *command], cwd=REPO, check=True)
    return {seed: REPO / results / folder for seed, folder in seed_folders(Config.model_construct(**chosen)).items()}


def shuffled(scores: Mapping[str, Any]) -> str:
    """The accuracy with the images of other questions, by a policy's eval.json; a dash where it was not asked."""
    found = [probe["score"] for probe in scores["probes"] if probe["probe"] == "shuffled_images"]
    return f"{found[0]:.3f}" if found else "-"


def accuracy_table(rows: Iterable[tuple[int, str, Mapping[str, Any]]]) -> Iterator[str]:
    """The rows of a table: a seed, a policy, and the policy's eval.json."""
    yield "| seed | policy | accuracy, greedy | accuracy, T=1 | pass@4, T=1 | well-formed, T=1 | shuffled images |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for seed, name, scores in rows:
        sampled = scores["sampled"]
        yield (
            f"| {seed} | {name} | {scores['accuracy']:.3f} | {sampled['accuracy']:.3f} | "
            f"{sampled['pass_at_k']['4']:.3f} | {sampled['format_rate']:.3f} | {shuffled(scores)} |"
        )
