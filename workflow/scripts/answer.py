"""Ask a policy every question of the test split.

    python workflow/scripts/answer.py --settings results/grpo/answer.yaml --data results/data \\
        --policy results/grpo

Writes answers.jsonl (the same bytes for the same checkpoint, on however many processes) and timing.json; score.py
scores the answers. Batches are stored as they come: a killed run goes on where it stopped when the same command is
given again.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.data.examples import read_examples
from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.answer_log import AnswerLog
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.integrity import check_published, check_split
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.launcher import add_launch_arguments, claim, topology_of
from reinforced_cot.launch.shards import run_shards
from reinforced_cot.processes import end_with_launcher
from reinforced_cot.result_files import write_result, write_result_rows
from reinforced_cot.run_fingerprint import claim_folder, fingerprint
from reinforced_cot.stage_script import read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="the policy's answer.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder of test.jsonl and images")
    parser.add_argument("--policy", type=Path, required=True, help="folder of the policy, which holds model/")
    add_launch_arguments(parser)
    parser.add_argument("--shard", type=int, help=argparse.SUPPRESS)  # this process is one of several
    args = parser.parse_args(argv)
    start()
    settings, topology = read_settings(args.settings, AnswerSettings), topology_of(args)
    if not (args.policy / "model").is_dir():
        raise DataError(f"{args.policy} holds no model/: is it a policy's folder? merge_lora makes its model")
    if args.shard is None:
        check_published(args.policy / "model")
        check_split(args.data, "test")
    examples = read_examples(args.data / "test.jsonl")
    log = args.policy / "partial_answers"
    answers, shards = AnswerLog(log), topology.processes if topology else 1
    if args.shard is not None:
        end_with_launcher()
        from reinforced_cot.evaluation.answering import answer

        answer(settings, examples, args.data, args.policy / "model", answers, args.shard, shards)
        return
    lock_folder(args.policy)
    claim(topology)
    inputs = [args.data / "test.jsonl", args.policy / "model.json"]
    claim_folder(log, fingerprint(Path(__file__), settings.as_dict(), inputs))
    if topology is not None and shards > 1:
        run_shards(topology)  # before this process imports torch, so that the shards do not wait for that
    from reinforced_cot.evaluation.answering import answer, collect, timing

    if shards == 1:
        answer(settings, examples, args.data, args.policy / "model", answers)
    write_result_rows(args.policy / "answers.jsonl", collect(settings, examples, answers))
    write_result(args.policy / "timing.json", timing(answers))
    shutil.rmtree(log)


if __name__ == "__main__":
    run_script(main)
