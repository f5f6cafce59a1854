"""Ask a policy a question about an image of your own, and print its chain of thought and its answer.

    make ask IMAGE=photo.jpg QUESTION="What color is the cup?" POLICY=grpo

    python workflow/scripts/ask.py --policy results/grpo --image photo.jpg --question "What color is the cup?"

A question about several images names them with several --image; `<image>` in its text says where each stands. The
environment variables IMAGE and QUESTION hold what no option gives. Characters that would act on the terminal are
printed as escapes.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.data.images import encoded
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.generation.asked_policy import asked_policy, checked_question
from reinforced_cot.inert_text import visible, visible_line
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.stage_script import start

EXAMPLE = 'make ask IMAGE=photo.jpg QUESTION="What color is the cup?"'


def main(argv: Sequence[str] | None = None) -> None:
    """Ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="folder of the policy, which holds model/")
    parser.add_argument("--image", type=Path, action="append", help="an image file; may be repeated")
    parser.add_argument("--question", default=os.environ.get("QUESTION", ""), help="the question")
    args = parser.parse_args(argv)
    start()
    images = args.image or [Path(file) for file in [os.environ.get("IMAGE")] if file]
    try:
        print(visible(answer(args.policy, args.question, images)))
    except PipelineError as error:
        raise DataError(visible_line(str(error))) from None


def answer(folder: Path, text: str, images: Sequence[Path]) -> str:
    """What a policy says to a question, as it is printed.

    Raises:
        PipelineError: the policy, the question or an image cannot be used.
    """
    if not images or not text.strip():
        raise DataError(f"there is no image, or no question: {EXAMPLE}")
    question = checked_question(text, len(images))
    policy = asked_policy(folder)
    prepared = [encoded(image, str(image), policy.budget) for image in images]
    claim_devices(None)
    from reinforced_cot.generation.one_question import LoadedPolicy

    completion = LoadedPolicy(policy).answered(question, prepared)
    parsed = parse_completion(completion.text)
    if parsed.well_formed:
        return f"{parsed.think}\n\nAnswer: {parsed.answer}"
    cut_off = f" (cut off after {policy.settings.answer.max_new_tokens} tokens)" if completion.truncated else ""
    return f"{completion.text}\n\nmalformed: {parsed.problem}{cut_off}"


if __name__ == "__main__":
    run_script(main)
