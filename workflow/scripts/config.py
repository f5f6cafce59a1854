"""Check configuration files without a run, and print the effective configuration with the origin of each value.

    python workflow/scripts/config.py config/presets/my-run.yaml      # or: make config FILE=config/presets/my-run.yaml

Files are composed as a run composes those of --configfile (docs/configuration.md). A file that is no YAML is named with
its line; every other problem is listed as in a dry-run. Warnings, and packages that are not installed here, go to
standard error.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.config.checks import warnings_of
from reinforced_cot.config.composition import checked, compose, shared_results
from reinforced_cot.config.data_checks import missing_data
from reinforced_cot.config.effective import effective_text
from reinforced_cot.config.launch_checks import missing_packages
from reinforced_cot.errors import ConfigError
from reinforced_cot.inert_text import visible, visible_errors
from reinforced_cot.interpreter import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="configuration files, such as a preset")
    args = parser.parse_args(argv)
    composition = compose([file.absolute() for file in args.files])
    config = checked(composition)
    if absent := list(missing_data(config)):
        raise ConfigError("\n".join(absent))
    for line in [*shared_results(composition), *warnings_of(config), *missing_packages(config, config.made)]:
        print(visible(f"warning: {line}"), file=sys.stderr)
    print(effective_text(config, composition), end="")


if __name__ == "__main__":
    run_script(visible_errors(main))
