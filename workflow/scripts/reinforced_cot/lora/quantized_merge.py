"""What is lost when an adapter that was trained on a quantized base is merged into the full-precision one.

The two bases differ by the rounding of every weight, and the adapter has learned to make up for it. The merged model is
therefore not the policy that was trained. Logits cannot tell whether that matters, so both answer the same questions.
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
    """Compare greedy answers of the trained policy and of its merged checkpoint to questions of val.

    Args:
        examples: of val; the policy's ``selection`` says how many of them are asked.
        data: folder of their images.
        base: checkpoint folder of the policy that the adapter was trained on.
        adapter: folder of the adapter.
        merged: folder of the merged checkpoint.

    Returns:
        ``questions``, ``quantization``, the accuracy of both, and the number of questions that only one answers right.
    """
    selection, loading = settings.policy.selection, settings.base_model
    chosen = subset(examples, selection.examples, settings.seed)
    tokens, trusted = selection.max_new_tokens, loading.trust_remote_code
    processor = load_processor(merged, trust_remote_code=trusted)
    prompt_lengths(processor, chosen, data, settings.prompt, context_length(merged, trusted), tokens)

    def answers(model: PreTrainedModel | PeftModel, processor: ProcessorMixin) -> list[Prediction]:
        completions = generate(
            model,
            processor,
            chosen,
            data,
            settings.prompt,
            batch_size=selection.batch_size,
            max_new_tokens=tokens,
        )
        return [scored(unscored(example, answer.text)) for example, [answer] in zip(chosen, completions, strict=True)]

    trained = load_model(base, loading, settings.policy.quantization)
    quantized = answers(PeftModel.from_pretrained(trained, adapter), processor)
    del trained  # two models need not fit in memory
    full = answers(load_model(merged, loading), processor)
    pairs = [(one["is_correct"], other["is_correct"]) for one, other in zip(quantized, full, strict=True)]
    return {
        "quantization": settings.policy.quantization,
        "questions": len(chosen),
        "accuracy_quantized": shares(quantized)["accuracy"],
        "accuracy_merged": shares(full)["accuracy"],
        "only_quantized_right": pairs.count((True, False)),
        "only_merged_right": pairs.count((False, True)),
    }
