"""The memory plan of a merge with its proof: logits of a few prompts, and no more than one layer's weights."""

from pathlib import Path

import torch

from reinforced_cot.data.settings import Prompt
from reinforced_cot.lora.merge_proof import PROBES, probe_inputs
from reinforced_cot.models.processors import load_processor
from reinforced_cot.planning.memory_plan import BYTES, PROOF, Plan, Shapes
from reinforced_cot.planning.model_shapes import shapes_of
from reinforced_cot.planning.stage_memory import check_memory
from reinforced_cot.policies.settings import MergeSettings

_ROWS = 8192  # of the head's weight, in float32 at a time
_TEMPLATE_TOKENS, _VISUAL_TOKENS = 40, 12  # of a probe without the prompt's own text, and of its image
_CHARACTERS = 3  # of that text, per token


def check_merge_fits(settings: MergeSettings, base: Path) -> None:
    """Refuse a merge into the checkpoint in ``base`` that the device cannot hold.

    Raises:
        PipelineError: the memory plan does not fit.
    """
    processor = load_processor(base, trust_remote_code=settings.base_model.trust_remote_code)
    ids = probe_inputs(processor, settings.prompt)["input_ids"]
    ignored = torch.isin(ids, torch.tensor([processor.image_token_id, processor.tokenizer.pad_token_id]))
    shapes = shapes_of(base, settings.base_model)
    check_memory(merge_plan(shapes, settings.base_model.dtype, ids.numel(), int((~ignored).sum())), 1)


def expected_tokens(prompt: Prompt) -> tuple[int, int]:
    """About how many tokens the proof's prompts have, and how many of them are text, before a tokenizer is known."""
    text = _TEMPLATE_TOKENS + (len(prompt.system or "") + len(prompt.instruction)) // _CHARACTERS
    return len(PROBES) * (text + _VISUAL_TOKENS), len(PROBES) * text


def merge_plan(shapes: Shapes, dtype: str, tokens: int, compared: int) -> Plan:
    """The plan of a merge. It is the same for both forms of the result, which only the proof decides between.

    Args:
        dtype: of the weights on disk; the proof computes in float32.
        tokens: of all prompts of the proof.
        compared: those of text, whose logits are kept.
    """
    computed, kept = (4.0 * count * shapes.vocabulary for count in (tokens, compared))
    head = shapes.vocabulary * shapes.hidden * BYTES[dtype] + _ROWS * shapes.hidden * 4
    # A layer as it is computed, and one of its weights while an adapter is added to it.
    layer = 4 * shapes.layer + 2 * 4 * shapes.intermediate * shapes.hidden
    weights = max(head, layer)
    # While the saved model's logits are computed, those of the base and of the base with its adapter are kept, and the
    # new ones exist twice, as pieces and joined. When all three are compared, so do two differences.
    logits = max(2 * kept + 2 * computed, 5 * kept - weights)
    return Plan({"weights of one layer or of the head": float(weights), PROOF: logits})
