"""Write the report: all policies side by side, and the curves of each training.

    python workflow/scripts/report.py --results results --policies base sft grpo gspo \\
        --losses 'sft=Supervised loss' grpo= gspo= --merged sft grpo gspo \\
        --template workflow/report/report.html.j2 --output results/report.html
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.files import write_text
from reinforced_cot.interpreter import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="folder of the run")
    parser.add_argument("--policies", nargs="+", required=True, help="in the order of the report")
    parser.add_argument(
        "--losses",
        nargs="*",
        required=True,
        metavar="POLICY=TITLE",
        help="of the trained ones: the title above the curve of its loss, empty for none",
    )
    parser.add_argument("--merged", nargs="*", required=True, help="policies that were trained as adapters")
    parser.add_argument("--template", type=Path, required=True, help="Jinja template of the page")
    parser.add_argument("--seeds", action="store_true", help="the run was repeated at other seeds: read seeds.json")
    parser.add_argument(
        "--chains", nargs="*", default=[], metavar="SET=POLICY,...", help="sets, and who learns from them"
    )
    parser.add_argument("--keep", nargs="*", default=[], metavar="POLICY=LEAST,MOST", help="pass rates that were kept")
    parser.add_argument("--origins", nargs="*", default=[], metavar="POLICY=ORIGIN", help="what each one starts from")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    from reinforced_cot.evaluation.report import render

    losses = dict(entry.split("=", 1) for entry in args.losses)
    chains = {name: policies.split(",") for name, policies in (entry.split("=") for entry in args.chains)}
    keep = {name: [*map(float, bounds.split(","))] for name, bounds in (entry.split("=") for entry in args.keep)}
    origins = dict(entry.split("=") for entry in args.origins)
    page = render(args.results, args.policies, losses, args.merged, args.template, args.seeds, chains, keep, origins)
    write_text(args.output, page)


if __name__ == "__main__":
    run_script(main)
