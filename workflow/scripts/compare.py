"""Test which differences between policies are more than chance: all pairs, on the questions that all were asked.

    python workflow/scripts/compare.py --results results --policies base sft grpo gspo \\
        --asked results/data/test.jsonl --output results/comparisons.json
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import write_result
from reinforced_cot.scoring.predictions import scored


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="folder of the run")
    parser.add_argument("--policies", nargs="+", required=True, help="folders below it, each with a predictions.jsonl")
    parser.add_argument("--asked", type=Path, required=True, help="JSONL of the split that was asked")
    parser.add_argument("--output", type=Path, required=True, help="JSON file of the comparisons")
    args = parser.parse_args(argv)
    from reinforced_cot.evaluation.comparisons import compare
    from reinforced_cot.evaluation.completeness import read_whole

    predictions = {
        policy: [scored(row) for row in read_whole(args.results / policy / "predictions.jsonl", args.asked)]
        for policy in args.policies
    }
    write_result(args.output, compare(predictions))


if __name__ == "__main__":
    run_script(main)
