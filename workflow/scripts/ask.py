"""Ask a policy a question about an image of your own, and print its chain of thought and its answer.

    make ask IMAGE=photo.jpg QUESTION="What color is the cup?" POLICY=grpo

    python workflow/scripts/ask.py --policy results/grpo --image photo.jpg --question "What color is the cup?"

A question about several images names them with several --image; `<image>` in its text says where each stands. The
environment variables IMAGE and QUESTION hold what no option gives.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from reinforced_cot.data.image_places import PLACE, place_count
from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.data.text_cleaning import canonical
from reinforced_cot.errors import DataError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.stage_script import read_settings, start
from reinforced_cot.terminal.inert import inert, inert_errors


def main(argv: Sequence[str] | None = None) -> None:
    """Ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="folder of the policy, which holds model/")
    parser.add_argument("--image", type=Path, action="append", help="an image file; may be repeated")
    parser.add_argument("--question", default=os.environ.get("QUESTION", ""), help="the question")
    args = parser.parse_args(argv)
    start()
    images = args.image or [Path(file) for file in [os.environ.get("IMAGE")] if file]
    question = canonical(args.question)
    if not images or not question.replace(PLACE, "").strip():
        raise DataError('there is no image, or no question: make ask IMAGE=photo.jpg QUESTION="What color is the cup?"')
    if (places := place_count(question)) not in (0, len(images)):
        raise DataError(f"the question has {places} places {PLACE}, and {len(images)} images are given")
    if not (args.policy / "model").is_dir():
        known = sorted(folder.parent.name for folder in args.policy.parent.glob("*/model"))
        raise DataError(f"{args.policy} holds no model/; policies with a model: {', '.join(known) or 'none yet'}")
    settings = read_settings(answer_settings(args.policy), AnswerSettings)
    claim_devices(None)
    from reinforced_cot.generation.one_question import answered

    try:
        completion = answered(args.policy / "model", settings, pixel_budget(args.policy), question, images)
    except ImageRejected as error:
        raise DataError(f"{error.reason}: {error.detail}") from None
    parsed = parse_completion(completion.text)
    if parsed.well_formed:
        print(inert(f"{parsed.think}\n\nAnswer: {parsed.answer}"))
        return
    print(inert(completion.text))
    cut_off = f" (cut off after {settings.answer.max_new_tokens} tokens)" if completion.truncated else ""
    print(f"\nmalformed: {parsed.problem}{cut_off}")


def answer_settings(policy: Path) -> Path:
    """The file that says how a policy is asked: its own, or that of another policy of the same run; all are alike."""
    return next(
        (file for file in [policy / "answer.yaml", *sorted(policy.parent.glob("*/answer.yaml"))] if file.is_file()),
        policy / "answer.yaml",
    )


def pixel_budget(policy: Path) -> PixelBudget:
    """The area of images in the run of a policy, by its prepared test split; the default where there is none."""
    file = policy.parent / "data" / "test.yaml"
    if not file.is_file():
        return PixelBudget()
    return PixelBudget.model_validate(yaml.safe_load(file.read_text(encoding="utf-8"))["image"])


if __name__ == "__main__":
    run_script(inert_errors(main))
