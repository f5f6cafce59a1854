"""One question about images of one's own, asked of a policy."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from reinforced_cot.data.examples import Example
from reinforced_cot.data.images import encoded
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.generation.batching import Completion
from reinforced_cot.generation.generate import generate
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor


def answered(
    model: Path, settings: AnswerSettings, budget: PixelBudget, question: str, images: Sequence[Path]
) -> Completion:
    """The policy's greedy completion, of images prepared as those that it has learned from.

    Args:
        model: ``results/{policy}/model``.
        settings: how the policy is asked.
        budget: the area of an image.
        question: each ``<image>`` in it is the place of an image; without places, the images come first.
        images: files, in their order.

    Raises:
        DataError: the model is damaged or missing.
        ImageRejected: a file is no image.
    """
    with TemporaryDirectory() as folder:
        names = []
        for number, image in enumerate(images):
            stored = encoded(image, str(image), budget)
            names.append(f"{number}-{stored.name}")
            (Path(folder) / names[-1]).write_bytes(stored.content)
        example = Example("asked", tuple(names), question, ("",), "query")
        processor = load_processor(model, trust_remote_code=settings.base_model.trust_remote_code)
        policy = load_model(model, settings.base_model).requires_grad_(False)
        new_tokens = settings.answer.max_new_tokens
        [[completion]] = generate(
            policy, processor, [example], Path(folder), settings.prompt, batch_size=1, max_new_tokens=new_tokens
        )
    return completion
