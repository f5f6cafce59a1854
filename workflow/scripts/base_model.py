"""Make the base policy: lay out a published checkpoint, or build and train a tiny one.

python workflow/scripts/base_model.py --settings results/base/train.yaml --data results/data --output results/base
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.base.published import published_folder
from reinforced_cot.data.examples import read_examples
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.integrity import check_split
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.models.settings import BaseSettings
from reinforced_cot.stage_script import read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="seed, image, base_model")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of train.jsonl, whose texts a tiny model's tokenizer needs"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the policy `base`")
    args = parser.parse_args(argv)
    start()
    claim_devices(0)  # no GPU
    settings = read_settings(args.settings, BaseSettings)
    if settings.base_model.path is None:
        check_split(args.data, "train")
    train = read_examples(args.data / "train.jsonl") if settings.base_model.path is None else []
    lock_folder(args.output)
    if settings.base_model.path is not None:
        published_folder(settings.base_model)  # a download that fails says so before libraries are imported for seconds
    from reinforced_cot.base.base_model import make_base

    make_base(settings, train, args.output)


if __name__ == "__main__":
    run_script(main)
