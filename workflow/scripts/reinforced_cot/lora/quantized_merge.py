"""What it costs to merge an adapter that was trained on a quantized base into the full-precision one.

The two bases differ by the rounding of every weight, and the adapter has learned to make up for it. The merged model is
therefore not the policy that was trained, and no comparison of logits can excuse that: both answer the same questions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.data.examples import Example
from reinforced_cot.generation.generate import generate
from reinforced_cot.generation.rendering import prompt_lengths
from reinforced_cot.models.checkpoints import context_length
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor
from reinforced_cot.policies.settings import MergeSettings
from reinforced_cot.scoring.metrics import shares
from reinforced_cot.scoring.prediction_rows import Prediction, unscored
from reinforced_cot.scoring.predictions import scored
from reinforced_cot.seeds import subset


def quantized_and_merged(
    settings: MergeSettings, examples: Sequence[Example], data: Path, base: Path, adapter: Path, merged: Path
) -> dict[str, Any]:
    """Ask the questions of val, greedily, of the policy that was trained and of its merged checkpoint.

    Args:
        examples: of val; as many are asked as the policy's ``selection`` says.
        base: the parent's checkpoint folder, ``adapter`` the adapter's, ``merged`` the checkpoint folder.

    Returns:
        ``questions``, ``quantization``, the accuracy of either form, and on how many questions only one is right.
    """
    selection, loading = settings.policy.selection, settings.base_model
    asked = subset(examples, selection.examples, settings.seed)
    tokens, trusted = selection.max_new_tokens, loading.trust_remote_code
    processor = load_processor(merged, trust_remote_code=trusted)
    prompt_lengths(processor, asked, data, settings.prompt, context_length(merged, trusted), tokens)

    def answers(model: PreTrainedModel | PeftModel, processor: ProcessorMixin) -> list[Prediction]:
        found = generate(
            model,
            processor,
            asked,
            data,
            settings.prompt,
            batch_size=selection.batch_size,
            max_new_tokens=tokens,
        )
        return [scored(unscored(example, answer.text)) for example, [answer] in zip(asked, found, strict=True)]

    trained = load_model(base, loading, settings.policy.quantization)
    quantized = answers(PeftModel.from_pretrained(trained, adapter), processor)
    del trained  # one of the two in memory is enough
    full = answers(load_model(merged, loading), processor)
    pairs = [(one["is_correct"], other["is_correct"]) for one, other in zip(quantized, full, strict=True)]
    return {
        "quantization": settings.policy.quantization,
        "questions": len(asked),
        "accuracy_quantized": shares(quantized)["accuracy"],
        "accuracy_merged": shares(full)["accuracy"],
        "only_quantized_right": pairs.count((True, False)),
        "only_merged_right": pairs.count((False, True)),
    }
