"""Count how many of a policy's samples are right, question by question.

    python workflow/scripts/pass_rates.py --samples results/samples/sft.jsonl --data results/data --count 8 \\
        --output results/grpo/pass_rates.json

It stands apart from sampling: a change of matching draws no sample again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.chains.samples import histogram, pass_rates, read_samples
from reinforced_cot.data.examples import read_examples
from reinforced_cot.integrity import check_split
from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import write_result
from reinforced_cot.stage_script import start


def main(argv: Sequence[str] | None = None) -> None:
    """Score the samples, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True, help="what sample.py wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder of train.jsonl")
    parser.add_argument("--count", type=int, required=True, help="how many samples of each question count")
    parser.add_argument("--output", type=Path, required=True, help="the counts, JSON")
    args = parser.parse_args(argv)
    start()
    check_split(args.data, "train", images=False)
    examples = read_examples(args.data / "train.jsonl")
    rights = pass_rates(examples, read_samples(args.samples, examples, args.count))
    counted = {"samples": args.count, "histogram": histogram(rights, args.count), "right": rights}
    write_result(args.output, counted)


if __name__ == "__main__":
    run_script(main)
