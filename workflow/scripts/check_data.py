"""Check the prepared splits together and summarise them.

Leakage shows only between splits: an image of the test set that was trained on, under whatever name, makes every
figure of the report too good. Training reads the summary, so that it starts only after this passed.

    python workflow/scripts/check_data.py --data results/data --splits train val test --output results/data/summary.json
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.data.examples import read_examples
from reinforced_cot.evaluation.gqa_metrics import check_choices, check_ids, gqa_files
from reinforced_cot.files import read_jsonl
from reinforced_cot.integrity import check_split
from reinforced_cot.interpreter import run_script
from reinforced_cot.preparation.split_checks import check
from reinforced_cot.result_files import write_result
from reinforced_cot.stage_script import start


def main(argv: Sequence[str] | None = None) -> None:
    """Read ``{split}.jsonl`` and ``rejected.{split}.jsonl`` of every split and write the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that prepare_data.py wrote")
    parser.add_argument("--splits", nargs="+", required=True, help="names of the splits")
    parser.add_argument("--output", type=Path, required=True, help="the summary, JSON")
    parser.add_argument("--chains-for", nargs="+", default=[], help="policies that learn from chains of thought")
    parser.add_argument(
        "--max-near-duplicate-share",
        type=float,
        default=1.0,
        help="of a split's images, 0 to 1",
    )
    parser.add_argument("--gqa-questions", help="GQA's questions file: it must hold the test split's ids")
    parser.add_argument("--gqa-choices", help="GQA's choices file: it must hold these questions")
    arguments = parser.parse_args(argv)
    start()

    folder: Path = arguments.data
    for name in arguments.splits:
        check_split(folder, name)
    splits = {name: read_examples(folder / f"{name}.jsonl") for name in arguments.splits}
    rejected = {name: [row for _, row in read_jsonl(folder / f"rejected.{name}.jsonl")] for name in arguments.splits}
    questions, choices = gqa_files(vars(arguments))  # before hours of training and answering, not after
    if questions is not None:
        check_ids(questions, {example.id for example in splits["test"]})
        if choices is not None:
            check_choices(questions, choices)
    summary = check(splits, rejected, folder, arguments.chains_for, arguments.max_near_duplicate_share)
    write_result(arguments.output, summary)


if __name__ == "__main__":
    run_script(main)
