"""Draw samples of a policy's answers to every training question, from which chains and pass rates are made.

    python workflow/scripts/sample.py --settings results/samples/grpo.yaml --data results/data \\
        --policy results/grpo --output results/samples/grpo.jsonl

Writes one line per question with its id and its samples (the same bytes for the same checkpoint). Batches are stored
as they come: a killed run goes on where it stopped when the same command is given again.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.evaluation.asking import ask, asking_parser
from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import write_result_rows


def main(argv: Sequence[str] | None = None) -> None:
    """Sample, and write what was drawn."""
    parser = asking_parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the samples, JSON lines")
    args = parser.parse_args(argv)
    unfinished = args.output.parent / f".{args.output.stem}"
    asked = ask(args, Path(__file__), "train", unfinished, unfinished / "partial_answers", only_samples=True)
    if asked is None:
        return
    from reinforced_cot.evaluation.answering import collect_samples

    write_result_rows(args.output, collect_samples(*asked))
    shutil.rmtree(unfinished)


if __name__ == "__main__":
    run_script(main)
