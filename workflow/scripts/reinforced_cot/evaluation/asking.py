"""The steps of a stage that asks a policy every question of a split: alone, or in shards that share the questions."""

import argparse
from pathlib import Path
from typing import NamedTuple

from reinforced_cot.data.examples import Example, read_examples
from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.answer_log import AnswerLog
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.integrity import check_published, check_split
from reinforced_cot.launch.launcher import add_launch_arguments, claim, topology_of
from reinforced_cot.launch.shards import run_shards
from reinforced_cot.processes import end_with_launcher
from reinforced_cot.run_fingerprint import claim_folder, fingerprint
from reinforced_cot.stage_script import read_settings, start


class Asked(NamedTuple):
    """What was asked, and the batches that were answered."""

    settings: AnswerSettings
    examples: list[Example]
    answers: AnswerLog


def asking_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of such a stage."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="how the policy is asked")
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared splits and images")
    parser.add_argument("--policy", type=Path, required=True, help="folder of the policy, which holds model/")
    add_launch_arguments(parser)
    parser.add_argument("--shard", type=int, help=argparse.SUPPRESS)  # this process is one of several
    return parser


def ask(
    args: argparse.Namespace, script: Path, split: str, folder: Path, partial: Path, only_samples: bool = False
) -> Asked | None:
    """Ask the policy all questions of a split that were not answered before this stage was killed.

    Args:
        args: of `asking_parser`.
        script: of the stage.
        folder: which the stage writes to; it is locked.
        partial: the folder of the answers until all are there.
        only_samples: whether the greedy answer and all other passes are left out.

    Returns:
        None in a process that is one of several shards.

    Raises:
        DataError: the policy has no model, or a file is damaged or missing.
        PipelineError: another process writes to the folder, or a shard has failed.
    """
    start()
    settings, topology = read_settings(args.settings, AnswerSettings), topology_of(args)
    if not (args.policy / "model").is_dir():
        raise DataError(f"{args.policy} holds no model/: is it a policy's folder? merge_lora makes its model")
    if args.shard is None:
        check_published(args.policy / "model")
        check_split(args.data, split)
    questions = args.data / f"{split}.jsonl"
    examples = read_examples(questions)
    answers, shards = AnswerLog(partial), topology.processes if topology else 1
    if args.shard is None:
        lock_folder(folder)
        claim(topology)
        claim_folder(partial, fingerprint(script, settings.as_dict(), [questions, args.policy / "model.json"]))
        if topology is not None and shards > 1:
            run_shards(topology)  # before this process imports torch, so that the shards do not wait for that
            return Asked(settings, examples, answers)
    else:
        end_with_launcher()
    from reinforced_cot.evaluation.answering import answer, passes, sample_passes

    ways = sample_passes if only_samples else passes
    answer(settings, examples, args.data, args.policy / "model", answers, args.shard or 0, shards, ways)
    return Asked(settings, examples, answers) if args.shard is None else None
