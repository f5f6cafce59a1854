"""Mean and spread of the policies' scores when the whole run is repeated at several seeds.

    python workflow/scripts/seeds.py --results results --policies base sft grpo --seeds 1 2 3 \\
        --starts sft=base grpo=sft --output results/seeds.json

The run of the first seed is the folder itself; the runs of further seeds are folders below it: seed_2/, seed_3/ ...
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.evaluation.seed_summary import spread
from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import read_result, write_result


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="folder of the first seed's run")
    parser.add_argument("--policies", nargs="+", required=True, help="in the order of the report")
    parser.add_argument("--seeds", nargs="+", type=int, required=True, help="the first one, then the further ones")
    parser.add_argument("--starts", nargs="*", default=[], help="the policy each trained one starts from, as sft=base")
    parser.add_argument("--output", type=Path, required=True, help="JSON file of the summary")
    args = parser.parse_args(argv)
    first, *further = args.seeds
    folders = {first: args.results} | {seed: args.results / f"seed_{seed}" for seed in further}
    evaluations = {
        seed: {policy: read_result(folder / policy / "eval.json") for policy in args.policies}
        for seed, folder in folders.items()
    }
    write_result(args.output, spread(evaluations, dict(start.split("=") for start in args.starts)))


if __name__ == "__main__":
    run_script(main)
