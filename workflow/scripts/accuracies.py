"""Print the accuracy of each policy with its 95 % interval, and where the report is.

python workflow/scripts/accuracies.py --results results --policies base sft grpo
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from reinforced_cot.errors import DataError
from reinforced_cot.inert_text import visible_errors
from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import read_result
from reinforced_cot.terminal.accuracies import accuracy_table


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="results folder of the run")
    parser.add_argument("--policies", nargs="+", help="policies in the order to print; by default those of the report")
    args = parser.parse_args(argv)
    policies = args.policies or reported(args.results)
    print(accuracy_table({name: read_result(args.results / name / "eval.json") for name in policies}))


def reported(results: Path) -> list[str]:
    """The policies of the report of the last run.

    Raises:
        DataError: no run was made in ``results``.
    """
    configuration = results / "configuration.yaml"
    try:
        policies: list[str] = yaml.safe_load(configuration.read_text(encoding="utf-8"))["report"]
    except FileNotFoundError:
        raise DataError(f"{configuration} does not exist: no run has been made in {results}") from None
    return policies


if __name__ == "__main__":
    run_script(visible_errors(main))
