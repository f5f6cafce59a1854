"""Score predictions of any system with the code that evaluates this pipeline's policies, and compare systems.

    python workflow/scripts/score.py PREDICTIONS.jsonl [--answers FORM] [--out eval.json] [--predictions scored.jsonl]
    python workflow/scripts/score.py A.jsonl B.jsonl          # both, and the difference, question by question
    python workflow/scripts/score.py --moved results/grpo/predictions.jsonl   # verdicts that other rules gave
    python workflow/scripts/score.py results/grpo/predictions.jsonl --labels labels.jsonl   # the judge against yours

Each line is a JSON object with the texts `instruction` (the question), `gt_answer` and `prediction_raw` (the system's
text); `id`, `image_id`, `question_type`, `answer_form`, `answer_kind` and `choices` are optional. The text must be
`<think> chain </think> <answer> answer </answer>`, unless `--answers`, or a row's `answer_form`, says otherwise:
`plain` takes it as the answer alone, `opened` adds the `<think>` that the prompt of a thinking model has written.
`--answer-kind`, or a row's `answer_kind`, says how answers are compared (docs/answer-kinds.md). Two
files are compared question by question: by `id`, or line by line where there is none. The script needs no torch. It
prints the scores, or writes them with --out; --predictions writes every line with its parts and scores.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tqdm import tqdm

from reinforced_cot.data.completions import ANSWER_CLOSE, ANSWER_OPEN, THINK_CLOSE, THINK_OPEN
from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.gqa_metrics import gqa_files
from reinforced_cot.files import read_jsonl, write_json, write_jsonl
from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import write_result, write_result_rows
from reinforced_cot.scoring.prediction_rows import Prediction
from reinforced_cot.scoring.predictions import ANSWER_FORMS, OPENING, VERDICTS, moved, read_predictions
from reinforced_cot.scoring.version import RULES


def compared(rows: Mapping[str, Sequence[Prediction]]) -> list[dict[str, Any]]:
    """The differences between all pairs of systems.

    The module is imported by its name: the rule `evaluate` compares nothing, and must not become stale by it.
    """
    comparisons = import_module("reinforced_cot.evaluation.comparisons")
    result: list[dict[str, Any]] = comparisons.compare(rows)
    return result


def tell_trackers(trackers: str, policy: Path, scores: Mapping[str, Any]) -> None:
    """Add the scores to the run of the policy whose folder this is.

    The module is imported by its name: the rule `evaluate` must not become stale by how runs are tracked.
    """
    import_module("reinforced_cot.trackers.policy_run").report_scores(trackers, policy, scores)


def compare_labels(labels: Path, policy: str, rows: Sequence[Prediction]) -> None:
    """Print how far the judge of chains agrees with the labels that somebody gave to a policy's chains.

    The module is imported by its name: the rule `evaluate` has no labels, and must not become stale by it.
    """
    chain_labels = import_module("reinforced_cot.evaluation.chain_labels")
    compared = chain_labels.against_labels(
        chain_labels.labels_of(chain_labels.read_labels(labels), policy, labels), rows
    )
    print(chain_labels.as_text(policy, compared))


def list_moved(files: Sequence[Path], rows: Mapping[str, Sequence[Prediction]]) -> None:
    """Print each verdict that differs from the one in the file, and how many there are."""
    for file in files:
        changed = known = 0
        for (_, before), now in zip(read_jsonl(file), rows[str(file)], strict=True):
            known += not before.keys().isdisjoint(VERDICTS)
            for key, (old, new) in moved(before, now).items():
                changed += 1
                texts = f"{now['instruction']!r}, truth {now['gt_answer']!r}, answer {now['pred_answer']!r}"
                print(f"{now['id']}: {key} {old} -> {new}: {texts}")
        if not known:
            print(f"{file}: no line has a verdict to compare with; --moved takes files that --predictions wrote")
            continue
        print(f"{file}: {changed} verdicts of {len(rows[str(file)])} questions differ under rules {RULES}")


def wrong_form(rows: Sequence[Prediction]) -> str | None:
    """What to say where most texts are not in the form that they were read in."""
    plain = [row for row in rows if row.get("answer_form") == "plain"]
    tagged = sum(ANSWER_OPEN in row["prediction_raw"] or THINK_CLOSE in row["prediction_raw"] for row in plain)
    without_chain = sum(row["parse_problem"] == f"no {THINK_OPEN}" for row in rows)
    behind_opening = sum(
        THINK_CLOSE in row["prediction_raw"] for row in rows if row["parse_problem"] == f"no {THINK_OPEN}"
    )
    opened_twice = sum(row["prediction_raw"].startswith(OPENING + THINK_OPEN) for row in rows)
    without_answer = sum(row["parse_problem"] == f"no {ANSWER_OPEN}" for row in rows)
    with_answer = sum(
        ANSWER_OPEN in row["prediction_raw"] for row in rows if row["parse_problem"] == f"no {THINK_OPEN}"
    )
    form = f"{THINK_OPEN} chain {THINK_CLOSE} {ANSWER_OPEN} answer {ANSWER_CLOSE}"
    most = len(rows) / 2
    if tagged > most:
        return f"{tagged} of {len(rows)} texts have tags and were read as plain answers; leave --answers plain out"
    if opened_twice > most:
        return f"{opened_twice} of {len(rows)} texts begin with {THINK_OPEN} themselves; leave --answers opened out"
    if behind_opening > most:
        return (
            f"{behind_opening} of {len(rows)} texts have {THINK_CLOSE} without {THINK_OPEN} and count as wrong; "
            "--answers opened adds it, for models whose prompt ends with it"
        )
    if with_answer > most:
        return (
            f"{with_answer} of {len(rows)} texts have {ANSWER_OPEN} without a chain and count as wrong; wanted: {form}"
        )
    if without_chain > most:
        return (
            f"{without_chain} of {len(rows)} texts have no {THINK_OPEN} and count as wrong; --answers plain takes them "
            "as answers"
        )
    if without_answer > most:
        return f"{without_answer} of {len(rows)} texts have no {ANSWER_OPEN} and count as wrong; wanted: {form}"
    return None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path, nargs="+", help="JSONL, one question per line; several are compared")
    parser.add_argument(
        "--answers",
        choices=ANSWER_FORMS,
        default="tags",
        help="how the texts are read: with tags, behind an opened <think>, or plain",
    )
    parser.add_argument(
        "--answer-kind",
        default="",
        help="how answers are compared where a line does not say so: 'number relative=0.05'",
    )
    parser.add_argument("--out", type=Path, help="JSON file for the scores, in place of the terminal")
    parser.add_argument("--predictions", dest="scored", type=Path, help="JSONL file for the lines with their scores")
    parser.add_argument("--asked", type=Path, help="JSONL of a prepared split: each of its questions must be answered")
    parser.add_argument("--gqa-questions", help="GQA's questions file, for its official metrics; ids must be its ids")
    parser.add_argument("--gqa-choices", help="GQA's choices file, for validity and plausibility")
    parser.add_argument(
        "--moved", action="store_true", help="list the verdicts of a scored file that these rules do not give"
    )
    parser.add_argument(
        "--labels", type=Path, help="compare the judge of chains with labels that the report's gallery saved"
    )
    parser.add_argument("--policy", help="with --labels: whose predictions these are; default: the folder's name")
    parser.add_argument(
        "--trackers",
        default="",
        help="what is told of the scores that --out writes into a policy's folder, as JSON",
    )
    args = parser.parse_args(argv)
    if args.gqa_choices and not args.gqa_questions:
        parser.error("--gqa-choices needs --gqa-questions")
    if args.scored and len(args.predictions) > 1:
        parser.error("--predictions is for one file")
    files = [path.resolve() for path in args.predictions]
    if twice := [str(path) for path in args.predictions if files.count(path.resolve()) > 1]:
        parser.error(f"{twice[0]} is given twice: a system is not compared with itself")
    for option, path in (("--out", args.out), ("--predictions", args.scored)):
        if path and path.resolve() in files:
            parser.error(f"{option} {path} would overwrite the predictions: name another file")
    for option in ("out", "scored", "gqa_questions", "gqa_choices"):
        value = getattr(args, option)
        if value and Path(value).is_dir():
            parser.error(f"{value} is a folder: name a file")
    for path in (args.out, args.scored):
        above = next((folder for folder in path.absolute().parents if folder.exists()), None) if path else None
        if above and not (above.is_dir() and os.access(above, os.W_OK)):
            parser.error(f"{path} cannot be written: {above} is no folder that you may write to")
    if args.out and args.scored and args.out.resolve() == args.scored.resolve():
        parser.error(f"--out and --predictions are both {args.out}: name two files")
    if args.moved and (args.out or args.scored):
        parser.error("--moved prints verdicts, and writes neither --out nor --predictions")
    if args.labels and (args.out or args.scored or args.moved or len(files) > 1):
        parser.error("--labels is for one file, prints, and goes with none of --out, --predictions and --moved")
    if args.policy and not args.labels:
        parser.error("--policy says whose chains --labels are about: give both")
    for path in [*args.predictions, *([args.labels] if args.labels else [])]:
        if not path.is_file():
            parser.error(f"{path} is no file")
    from reinforced_cot.answers.specification import chosen
    from reinforced_cot.evaluation.completeness import read_whole
    from reinforced_cot.evaluation.scores import evaluate, scored_rows

    try:
        chosen(args.answer_kind)
    except DataError as error:
        parser.error(f"--answer-kind: {error}")
    questions, choices = gqa_files({"gqa_questions": args.gqa_questions, "gqa_choices": args.gqa_choices})
    rows: dict[str, list[Prediction]] = {}
    for path in args.predictions:
        form = (args.answers, args.answer_kind)
        unscored = read_whole(path, args.asked, *form) if args.asked else read_predictions(path, *form)
        progress = tqdm(scored_rows(unscored), desc=str(path), total=len(unscored), mininterval=1, leave=False)
        rows[str(path)] = list(progress)
    for name, predictions in rows.items():
        if hint := wrong_form(predictions):
            print(f"{name}: {hint}", file=sys.stderr)
    if args.moved:
        list_moved(args.predictions, rows)
        return
    if args.labels:
        compare_labels(args.labels, args.policy or files[0].parent.name, rows[str(args.predictions[0])])
        return
    scores = {name: evaluate(predictions, questions, choices) for name, predictions in rows.items()}
    first = str(args.predictions[0])
    # A user's own files have no checksum beside them: other programs may write them again.
    write, write_rows = (write_result, write_result_rows) if args.asked else (write_json, write_jsonl)
    if args.scored:
        write_rows(args.scored, rows[first])
    result = scores[first] if len(scores) == 1 else {"systems": scores, "comparisons": compared(rows)}
    if args.out:
        write(args.out, result)
        if args.trackers:
            tell_trackers(args.trackers, args.out.parent, result)
    else:
        print(json.dumps(result, indent=2, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    run_script(main)
