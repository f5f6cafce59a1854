"""Check configuration files without a run, and print the configuration that they come to.

    python workflow/scripts/config.py config/presets/my-run.yaml      # or: make config FILE=config/presets/my-run.yaml

Files are merged over config/config.yaml in the order given, as Snakemake merges them. A file that is no YAML is named
with its line; every other problem is listed as in a dry-run. Warnings, and packages that are not installed here, go to
standard error. Comments of the files are not kept.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from reinforced_cot.config.checks import warnings_of
from reinforced_cot.config.data_checks import missing_data
from reinforced_cot.config.launch_checks import missing_packages
from reinforced_cot.config.validation import validated
from reinforced_cot.config.yaml_files import read_yaml, refuse_files
from reinforced_cot.errors import ConfigError, exit_with_message
from reinforced_cot.paths import REPOSITORY


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="configuration files, such as a preset")
    args = parser.parse_args(argv)
    files = [REPOSITORY / "config" / "config.yaml", *args.files]
    refuse_files(files)
    from snakemake.utils import update_config

    merged: dict[str, object] = {}
    for file in files:
        update_config(merged, read_yaml(file))
    config = validated(merged)
    if absent := list(missing_data(config)):
        raise ConfigError("\n".join(absent))
    for line in [*warnings_of(config), *missing_packages(config, config.made)]:
        print(f"warning: {line}", file=sys.stderr)
    print(yaml.safe_dump(config.as_dict(), sort_keys=False, allow_unicode=True), end="")


if __name__ == "__main__":
    exit_with_message(main)
