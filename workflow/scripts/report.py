"""Write the report: one page, and beside it a folder with its gallery, tables and figures.

    python workflow/scripts/report.py --results results

It shows what there is: a run that still trains, one policy, no RL. `make report` calls it so. `--policies` names the
policies as the rule `report` does, and then every file must be there.
"""

import argparse
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from reinforced_cot import paths
from reinforced_cot.interpreter import run_script

COMMAND = "REINFORCED_COT_COMMAND"  # the call of Snakemake, for its jobs


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="folder of the run")
    parser.add_argument("--policies", help="the policies as JSON (report.policy_facts); default: as the run has them")
    parser.add_argument("--seeds", action="store_true", help="with --policies: read seeds.json")
    parser.add_argument("--templates", type=Path, default=paths.WORKFLOW / "report", help="folder of the page's parts")
    parser.add_argument("--output", type=Path, help="the page; default: report.html in the results folder")
    parser.add_argument("--zip", action="store_true", help="also write page and folder into one file beside the page")
    args = parser.parse_args(argv)
    from reinforced_cot.report.page import write_report, zipped
    from reinforced_cot.report.policy_facts import from_text
    from reinforced_cot.report.run import read_run

    partial = args.policies is None
    if partial:
        # Imported by its name: the rule `report` must not become stale by a change of how configurations are read.
        configured = import_module("reinforced_cot.report.configured_policies")
        policies, seeds = configured.facts_of_run(args.results)
    else:
        policies, seeds = from_text(args.policies), args.seeds
    run = read_run(args.results, policies, seeds, partial)
    output = args.output or args.results / "report.html"
    write_report(run, output, args.templates, os.environ.get(COMMAND, ""))
    if partial:
        print(f"The report is in {output}")
    if args.zip:
        print(f"To send it: {zipped(output)}")


if __name__ == "__main__":
    run_script(main)
