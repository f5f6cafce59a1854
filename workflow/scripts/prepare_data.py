"""Prepare one split: questions, answers and chains in one form, images normalised and within the pixel budget.

Every later stage reads only what this wrote, so that bad input is found here, by its line, and not hours into training.
The settings are the keys ``data``, ``image`` and ``seed`` of the configuration.

    python workflow/scripts/prepare_data.py --settings results/data/train.yaml --split train --output results/data
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reinforced_cot.data.images import PixelBudget
from reinforced_cot.data.preparation import RawRecord, Rejection, draw, prepare
from reinforced_cot.errors import ConfigError, exit_with_message
from reinforced_cot.sources.gqa_cot import read_gqa_cot
from reinforced_cot.stage_script import read_settings


def read_source(data: dict[str, Any], split: str, seed: int) -> Iterable[RawRecord | Rejection]:
    """The raw records of one split; ``data`` is the configuration's section."""
    source, settings = data["source"], data["splits"][split]
    if source == "digits":
        from reinforced_cot.sources.digit_records import (  # NumPy is needed for these alone
            QUESTION_TYPES,
            make_digit_records,
        )

        digits = data["digits"]
        types = (split == "train" and digits["train_question_types"]) or tuple(QUESTION_TYPES)
        return make_digit_records(split, settings["size"], seed, digits["shortcut_share"], types)
    if source == "gqa_cot":
        part = settings.get("part")
        records = read_gqa_cot(Path(settings["file"]), Path(settings["images"]), (part[0], part[1]) if part else None)
        return draw(records, settings.get("size"), seed)
    raise ConfigError(f"data.source {source!r} is unknown; expected digits or gqa_cot")


def main(argv: Sequence[str] | None = None) -> None:
    """Prepare the split and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="YAML with the keys data, image and seed")
    parser.add_argument("--split", required=True, help="a name under data.splits")
    parser.add_argument("--output", type=Path, required=True, help="data folder, shared by all splits")
    arguments = parser.parse_args(argv)

    settings = read_settings(arguments.settings)
    data = settings["data"]
    if arguments.split not in data["splits"]:
        raise ConfigError(f"{arguments.settings}: data.splits has no {arguments.split!r}, only {list(data['splits'])}")
    records = read_source(data, arguments.split, settings["seed"])
    counts = prepare(
        records, PixelBudget(**settings["image"]), arguments.output, arguments.split, data["max_rejected_share"]
    )
    print(f"{arguments.split}: " + ", ".join(f"{count} {name}" for name, count in counts.items()), file=sys.stderr)


if __name__ == "__main__":
    exit_with_message(main)
