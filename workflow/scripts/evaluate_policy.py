"""Ask a policy every question of the test split and score its answers.

    python workflow/scripts/evaluate_policy.py --settings results/grpo/eval.yaml --data results/data \\
        --policy results/grpo

Writes predictions.jsonl and eval.json (the same bytes for the same checkpoint) and timing.json. eval.json follows from
predictions.jsonl alone: score.py computes it again, for this file or another system's.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import DataError, exit_with_message
from reinforced_cot.examples import read_examples
from reinforced_cot.files import write_json, write_jsonl
from reinforced_cot.gqa_metrics import check_ids, gqa_files
from reinforced_cot.predictions import scored
from reinforced_cot.stage_scripts import add_gpus_argument, read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="seed, prompt, base_model, evaluation")
    parser.add_argument("--data", type=Path, required=True, help="folder of test.jsonl and images")
    parser.add_argument("--policy", type=Path, required=True, help="folder of the policy, which holds model/")
    add_gpus_argument(parser)
    args = parser.parse_args(argv)
    start(args.gpus)
    settings = read_settings(args.settings)
    examples = read_examples(args.data / "test.jsonl")
    if not (args.policy / "model").is_dir():
        raise DataError(f"{args.policy} holds no model/: is it a policy's folder? merge_lora makes its model")
    questions, choices = gqa_files(settings["evaluation"])
    if questions is not None:
        check_ids(questions, {example.id for example in examples})  # before hours of answering, not after
    from reinforced_cot.evaluation import ask, load_policy
    from reinforced_cot.scores import evaluate

    started = time.perf_counter()
    policy, processor = load_policy(settings, examples, args.data, args.policy / "model")
    loaded = time.perf_counter()
    predictions = [scored(row) for row in ask(settings, examples, args.data, policy, processor)]
    seconds = time.perf_counter() - loaded
    write_jsonl(args.policy / "predictions.jsonl", predictions)
    write_json(args.policy / "eval.json", {"policy": args.policy.name, **evaluate(predictions, questions, choices)})
    write_json(
        args.policy / "timing.json",
        {
            "questions": len(examples),
            "seconds_to_load": loaded - started,
            "seconds": seconds,
            "questions_per_second": len(examples) / seconds,
        },
    )


if __name__ == "__main__":
    exit_with_message(main)
