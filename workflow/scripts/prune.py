"""Delete what a finished run no longer needs, after listing it: above all the checkpoints of its trainings.

    python workflow/scripts/prune.py --results results        # or: make prune, make prune RESULTS=results/my-run

It asks before it deletes; where nobody can answer, it needs --yes (YES=1 for make). A policy without a complete model
is left alone, and so are one in training, samples that are still drawn, and archives of data that is not prepared yet.
A teacher's replies are kept. Nothing becomes stale.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import PipelineError
from reinforced_cot.inert_text import visible, visible_errors
from reinforced_cot.interpreter import run_script
from reinforced_cot.pruning import Kept, Leftover, delete, leftovers, shown


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="results folder of the run")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    args = parser.parse_args(argv)
    found = list(leftovers(args.results))
    listed = [entry for entry in found if isinstance(entry, Leftover)]
    for kept in (entry for entry in found if isinstance(entry, Kept)):
        print(visible(f"kept: all of {kept.path}: {kept.reason}"))
    for leftover in listed:
        print(visible(str(leftover)))
    if not listed:
        print(visible(f"{args.results}: nothing to delete"))
        return
    print(f"{shown(sum(leftover.size for leftover in listed))}  in all")
    if not args.yes:
        if not sys.stdin.isatty():
            raise PipelineError("nothing was deleted: give --yes (make prune YES=1) where nobody can be asked")
        if input("Delete all of these? (yes/no) ").strip() != "yes":
            print("nothing was deleted")
            return
    for leftover in listed:
        delete(leftover)
        print(visible(f"deleted {leftover.path}"))


if __name__ == "__main__":
    run_script(visible_errors(main))
