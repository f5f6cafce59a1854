"""Ask a larger model behind an OpenAI-compatible endpoint every training question, for chains of thought.

    TEACHER_KEY=... python workflow/scripts/ask_teacher.py --settings results/chains/teacher.ask.yaml \\
        --control '{"url": "http://localhost:8000/v1", "key_env": "TEACHER_KEY", ...}' --data results/data \\
        --store results/replies --output results/chains/teacher.replies.jsonl --spent results/chains/teacher.spent.json

Each reply is appended to the store as it comes, and is never asked for again: a killed run goes on where it stopped
when the same command is given again.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.chains.settings import AskedSettings, TeacherSettings
from reinforced_cot.data.examples import read_examples
from reinforced_cot.endpoints.reply_store import ReplyStore
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.integrity import check_split
from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import write_result, write_result_rows
from reinforced_cot.stage_script import read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    """Ask, and write the replies in the order of the questions, and what they cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="what the endpoint is asked")
    parser.add_argument("--control", type=json.loads, required=True, help="where and how fast it is asked, JSON")
    parser.add_argument("--data", type=Path, required=True, help="folder of train.jsonl and images")
    parser.add_argument("--store", type=Path, required=True, help="folder of all replies, also of other runs")
    parser.add_argument("--output", type=Path, required=True, help="the replies, JSON lines")
    parser.add_argument("--spent", type=Path, required=True, help="requests, tokens and cost, JSON")
    args = parser.parse_args(argv)
    start()
    asked = read_settings(args.settings, AskedSettings).as_dict()
    settings = TeacherSettings.model_validate({**asked, "teacher": {**asked["teacher"], **args.control}})
    check_split(args.data, "train")
    examples = read_examples(args.data / "train.jsonl")
    folder = args.store / settings.name
    lock_folder(folder)
    from reinforced_cot.chains.teacher import ask_teacher

    with ReplyStore(folder / "replies.jsonl") as store:
        replies, spent = ask_teacher(settings, examples, args.data, store)
    write_result(
        args.spent, {"all_questions": len(examples), "questions": len(replies), **spent.as_dict(settings.teacher)}
    )
    write_result_rows(args.output, ({"id": id, "samples": texts} for id, texts in replies.items()))


if __name__ == "__main__":
    run_script(main)
