"""Score a file of predictions, from any system, with the code that evaluates this pipeline's policies.

    python workflow/scripts/score.py PREDICTIONS.jsonl [--out eval.json] [--predictions scored.jsonl]

Each line is a JSON object with the texts `instruction` (the question), `gt_answer` and `prediction_raw` (the system's
text, tags included); `id`, `image_id` and `question_type` are optional. The script needs no torch. It prints the
scores, or writes them with --out; --predictions writes every line with its parts and scores.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import exit_with_message
from reinforced_cot.evaluation.gqa_metrics import gqa_files
from reinforced_cot.files import write_json, write_jsonl
from reinforced_cot.scoring.predictions import read_predictions, scored


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path, help="JSONL, one question per line")
    parser.add_argument("--out", type=Path, help="JSON file for the scores, in place of the terminal")
    parser.add_argument("--predictions", dest="scored", type=Path, help="JSONL file for the lines with their scores")
    parser.add_argument("--gqa-questions", help="GQA's questions file, for its official metrics; ids must be its ids")
    parser.add_argument("--gqa-choices", help="GQA's choices file, for validity and plausibility")
    args = parser.parse_args(argv)
    if args.gqa_choices and not args.gqa_questions:
        parser.error("--gqa-choices needs --gqa-questions")
    from reinforced_cot.evaluation.scores import evaluate

    rows = [scored(row) for row in read_predictions(args.predictions)]
    questions, choices = gqa_files({"gqa_questions": args.gqa_questions, "gqa_choices": args.gqa_choices})
    scores = evaluate(rows, questions, choices)
    if args.scored:
        write_jsonl(args.scored, rows)
    if args.out:
        write_json(args.out, scores)
    else:
        print(json.dumps(scores, indent=2, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    exit_with_message(main)
