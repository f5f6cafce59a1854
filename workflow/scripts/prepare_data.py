"""Prepare one split: questions, answers and chains in one form, images normalised and within the pixel budget.

Every later stage reads only what this wrote, so that bad input is found here, by its line, and not hours into training.
The settings are what the configuration says of this split (`sources.settings.PreparedSplit`).

    python workflow/scripts/prepare_data.py --settings results/data/train.yaml --split train --output results/data
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.interpreter import run_script
from reinforced_cot.preparation.prepare import prepare
from reinforced_cot.sources.registry import read_split
from reinforced_cot.sources.settings import PreparedSplit, Splits
from reinforced_cot.stage_script import read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    """Prepare the split and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="the split's settings, results/data/{split}.yaml")
    parser.add_argument("--split", choices=list(Splits.model_fields), required=True, help="a name under data.splits")
    parser.add_argument("--output", type=Path, required=True, help="data folder, shared by all splits")
    parser.add_argument("--threads", type=int, default=1, help="that decode images")
    arguments = parser.parse_args(argv)
    start()
    settings = read_settings(arguments.settings, PreparedSplit)
    records = read_split(settings, arguments.split, arguments.output)
    counts = prepare(
        records, settings.image, arguments.output, arguments.split, settings.max_rejected_share, arguments.threads
    )
    print(f"{arguments.split}: " + ", ".join(f"{count} {name}" for name, count in counts.items()), file=sys.stderr)


if __name__ == "__main__":
    run_script(main)
