"""Print what is done, stale, running and missing of a run, stage by stage.

    make status                           # the run that config/config.yaml describes
    make status RESULTS=results/my-run    # another run, by the configuration that it was last called with

Snakemake itself says what is stale and why, in a dry-run that changes nothing and waits for no lock: it can be asked
while a run goes on. `done` names when a stage ended and how long it took, `stale` why it will run again, `running` how
far it is, `missing` what it waits for.
"""

import argparse
import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.inert_text import visible, visible_errors
from reinforced_cot.interpreter import run_script
from reinforced_cot.terminal.running import running_stages
from reinforced_cot.terminal.stage_states import as_table, counted, stage_states

DEFAULT = Path("results")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=DEFAULT, help="results folder of the run")
    args = parser.parse_args(argv)
    dag = dry_run(options(args.results))
    states = list(stage_states(dag, running_stages()))
    print(as_table(states))
    print(counted(states))


def options(results: Path) -> list[str]:
    """Options of Snakemake that describe the run in ``results``.

    Raises:
        DataError: no run was ever made there, or the folder was moved since: Snakemake would look at its old place.
    """
    if results == DEFAULT:
        return []
    configuration = results / "configuration.yaml"
    if not configuration.is_file():
        raise DataError(f"{configuration} does not exist: no run has been made in {results}; RESULTS names its folder")
    described = configured_results(configuration)
    if described.resolve() != results.resolve():
        raise DataError(
            f"{configuration} describes the run in {described}, and {results} is another folder: call "
            "`make status` from the folder in which the run was started, or move the run back"
        )
    return ["--configfile", str(configuration)]


def configured_results(configuration: Path) -> Path:
    """The results folder that a run's configuration names, relative to the working directory.

    Raises:
        DataError: the file is damaged.
    """
    try:
        named = yaml.safe_load(configuration.read_text(encoding="utf-8"))["pathvars"]["results"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise DataError(f"{configuration} is damaged: the next run writes it again") from None
    return Path(str(named))


def dry_run(arguments: Sequence[str]) -> Any:
    """The jobs of a dry-run of the whole report.

    Raises:
        PipelineError: Snakemake refuses the call; the message is its own.
    """
    from snakemake.cli import args_to_api, parse_args

    from reinforced_cot.terminal import run_view

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        # So quiet, Snakemake ends when it knows what would run.
        parser, args = parse_args(["--dry-run", "--quiet", "rules", "progress", "--cores", "1", *arguments])
        is_accepted = args_to_api(args, parser)
    if not is_accepted:
        raise PipelineError(f"Snakemake refuses the run:\n{visible(said.getvalue().strip())}")
    return run_view.WORKFLOWS[-1].dag


if __name__ == "__main__":
    run_script(visible_errors(main))
