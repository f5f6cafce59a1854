"""Ask a policy every question of the test split.

    python workflow/scripts/answer.py --settings results/grpo/answer.yaml --data results/data \\
        --policy results/grpo

Writes answers.jsonl (the same bytes for the same checkpoint, on however many processes) and timing.json; score.py
scores the answers. Batches are stored as they come: a killed run goes on where it stopped when the same command is
given again.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.evaluation.asking import ask, asking_parser
from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import write_result, write_result_rows


def main(argv: Sequence[str] | None = None) -> None:
    """Ask, and write what was answered."""
    args = asking_parser(__doc__).parse_args(argv)
    partial = args.policy / "partial_answers"
    asked = ask(args, Path(__file__), "test", args.policy, partial)
    if asked is None:
        return
    from reinforced_cot.evaluation.answering import collect, timing

    write_result_rows(args.policy / "answers.jsonl", collect(*asked))
    write_result(args.policy / "timing.json", timing(asked.answers))
    shutil.rmtree(partial)


if __name__ == "__main__":
    run_script(main)
