"""Test which policies of two results folders differ by more than chance, on the questions of their test splits.

    python workflow/scripts/compare_runs.py results/x results/y            # each policy that both have
    python workflow/scripts/compare_runs.py results/x/grpo results/y/gspo  # these two

Both runs must have asked the same questions. The tests are those of the rule `compare`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import DataError
from reinforced_cot.interpreter import run_script

PREDICTIONS = "predictions.jsonl"


def pairs(first: Path, second: Path) -> list[tuple[Path, Path]]:
    """The folders of policies that are compared.

    Raises:
        DataError: a folder is missing, or has no policy that was evaluated, or the two share no policy's name.
    """
    found = [_policies(folder) for folder in (first, second)]
    if all("" in policies for policies in found):
        return [(first, second)]
    for folder, policies in zip((first, second), found, strict=True):
        if "" in policies:
            raise DataError(f"{folder} is one policy and the other folder a run: name two policies, or two runs")
    shared = [name for name in found[0] if name in found[1]]
    if not shared:
        raise DataError(
            f"{first} has the policies {', '.join(found[0])} and {second} has {', '.join(found[1])}, none of one name; "
            f"name two policies, such as {first / next(iter(found[0]))} and {second / next(iter(found[1]))}"
        )
    return [(found[0][name], found[1][name]) for name in shared]


def _policies(folder: Path) -> dict[str, Path]:
    """The evaluated policies of a folder by their names; the folder itself, if it is one, by the empty name."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: name a results folder, or a policy's folder in it")
    if (folder / PREDICTIONS).is_file():
        return {"": folder}
    policies = {file.parent.name: file.parent for file in sorted(folder.glob(f"*/{PREDICTIONS}"))}
    if not policies:
        raise DataError(
            f"{folder} has no evaluated policy: looked for {folder}/{PREDICTIONS} and {folder}/*/{PREDICTIONS}"
        )
    return policies


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="results folder, or a policy's folder in it")
    parser.add_argument("second", type=Path, help="the same of the other run")
    args = parser.parse_args(argv)
    if args.first.resolve() == args.second.resolve():
        parser.error(f"{args.first} is given twice: a run is not compared with itself")
    from reinforced_cot.evaluation.comparisons import compare
    from reinforced_cot.report.difference_text import as_text
    from reinforced_cot.scoring.predictions import read_predictions, scored

    for folders in pairs(args.first, args.second):
        predictions = {
            str(folder): [scored(row) for row in read_predictions(folder / PREDICTIONS)] for folder in folders
        }
        print(as_text(compare(predictions)[0]), end="\n\n")


if __name__ == "__main__":
    run_script(main)
