"""Print what the first records of every split would be prepared as, and which would be set aside and why.

    snakemake --cores 1 look

It reads the settings of the splits from standard input, as JSON by their names. It writes no file, so that looking at
another configuration makes no result stale.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import DataError
from reinforced_cot.inert_text import visible, visible_errors
from reinforced_cot.interpreter import run_script
from reinforced_cot.preparation.look import Look, as_text, look_at
from reinforced_cot.sources.registry import whole_sources
from reinforced_cot.sources.settings import PreparedSplit
from reinforced_cot.stage_script import start


def main(argv: Sequence[str] | None = None) -> None:
    """Look at each source of each split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder, shared by all splits")
    arguments = parser.parse_args(argv)
    start()
    try:
        splits = {name: PreparedSplit.model_validate(split) for name, split in json.load(sys.stdin).items()}
    except (ValueError, AttributeError) as error:
        raise DataError(f"standard input does not hold the settings that `snakemake look` writes: {error}") from None
    # Splits that are parts of one source are looked at together.
    names: dict[str, list[str]] = {}
    looks: dict[str, Look] = {}
    for name, settings in splits.items():
        for source, records in zip(settings.sources, whole_sources(settings, name, arguments.data), strict=True):
            key = source.model_copy(update={"part": None, "size": None}).model_dump_json() + str(settings.image)
            names.setdefault(key, []).append(f"{name}: {source.in_words()}")
            if key not in looks:
                looks[key] = look_at(records, settings.image)
    allowed = next(iter(splits.values())).max_rejected_share
    for key, look in looks.items():
        print(visible(as_text("\n".join(names[key]), look, allowed)), end="\n\n")


if __name__ == "__main__":
    run_script(visible_errors(main))
