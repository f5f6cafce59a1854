"""A policy that is loaded once and asked one question after another, about images of one's own."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from reinforced_cot.data.examples import Example
from reinforced_cot.data.images import EncodedImage
from reinforced_cot.generation.asked_policy import AskedPolicy
from reinforced_cot.generation.batching import Completion, batches
from reinforced_cot.generation.generate import generate_batch
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor


class LoadedPolicy:
    """The model and the processor of a policy.

    Raises:
        DataError: the model is damaged or missing.
    """

    def __init__(self, policy: AskedPolicy) -> None:
        loading = policy.settings.base_model
        self._settings = policy.settings
        self._processor = load_processor(policy.model, trust_remote_code=loading.trust_remote_code)
        self._model = load_model(policy.model, loading).requires_grad_(False)

    def answered(self, question: str, images: Sequence[EncodedImage]) -> Completion:
        """The policy's greedy completion, as in the evaluation.

        Args:
            question: as `asked_policy.checked_question` gives it; without places, the images come first.
            images: within the run's pixel budget, in their order.
        """
        with TemporaryDirectory() as folder:
            names = [f"{number}-{image.name}" for number, image in enumerate(images)]
            for name, image in zip(names, images, strict=True):
                (Path(folder) / name).write_bytes(image.content)
            [batch] = batches([Example("asked", tuple(names), question, ("",), "query")], 1)
            limit = self._settings.answer.max_new_tokens
            [[completion]] = generate_batch(
                self._model, self._processor, batch, Path(folder), self._settings.prompt, max_new_tokens=limit
            )
        return completion
