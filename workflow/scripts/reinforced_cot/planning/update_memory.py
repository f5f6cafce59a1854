"""The bytes of an update beside weights, gradients and optimizer: activations, and the logits that exist at once.

TRL's trainers make no logits of all tokens (its "fused head"): they compute them tile by tile, once for the
log-probabilities and again for the gradient.

Bytes of activations were measured (`tests/unit/planning/test_memory_plan.py` counts what autograd keeps). Per token, a
decoder layer keeps its MLP's products and some twenty bytes per hidden unit; and the keys and values that each
sequence attends to, repeated for each head of the queries.
"""

from reinforced_cot.planning.memory_plan import BYTES, Shapes
from reinforced_cot.policies.settings import Workload

_HIDDEN_BYTES = {"float32": 20.5, "bfloat16": 24.5}  # norms are computed, and kept, in float32
_TILE_TOKENS, _TILE_LOGITS = 4096, 32768  # TRL's tile: tokens, and logits of each
_ON_CPU = 29  # bytes per logit of a tile beside the tile: without Triton, its gradient takes seven float32 copies


def update_bytes(
    shapes: Shapes, dtype: str, work: Workload, checkpointed: bool, on_cpu: bool, head_trained: bool, smoothed: bool
) -> float:
    """Bytes at the peak of a micro-batch's forward and backward pass.

    Args:
        dtype: of the weights.
        work: of the method.
        checkpointed: layers keep their input alone, and are computed again in the backward pass.
        on_cpu: TRL's tiles are computed without Triton.
        head_trained: the gradient of the head's weight is computed, too.
        smoothed: by label smoothing, for which the trainer makes all logits.
    """
    size, tokens = BYTES[dtype], work.update_tokens
    # While a layer's gradients are computed: those of the MLP's three products.
    passing = tokens * size * (3 * shapes.intermediate + 2 * shapes.hidden)
    again = layer_bytes(shapes, dtype, work) if checkpointed else 0
    head = head_bytes(shapes, dtype, tokens if on_cpu else work.scored_tokens, on_cpu, head_trained)
    if smoothed:  # as computed, as logarithms of probabilities in float32, their negative, and a gradient
        head += tokens * shapes.vocabulary * (size + 12)
    embeddings = tokens * shapes.hidden * size  # as they were before those of images took their places
    return embeddings + kept_bytes(shapes, dtype, work, checkpointed) + max(again + passing, head)


def kept_bytes(shapes: Shapes, dtype: str, work: Workload, checkpointed: bool) -> float:
    """Bytes that autograd keeps at the end of the forward pass, before the head; the last norm's are float32."""
    size, hidden = BYTES[dtype], work.update_tokens * shapes.hidden
    return 4 * hidden + shapes.layers * (hidden * size if checkpointed else layer_bytes(shapes, dtype, work))


def layer_bytes(shapes: Shapes, dtype: str, work: Workload) -> float:
    """Bytes that one decoder layer keeps."""
    size = BYTES[dtype]
    attention = 2 * size * shapes.query_size * work.attended_tokens
    return (
        work.update_tokens * (shapes.products * size * shapes.intermediate + _HIDDEN_BYTES[dtype] * shapes.hidden)
        + attention
    )


def head_bytes(shapes: Shapes, dtype: str, tokens: int, on_cpu: bool, trained: bool) -> float:
    """Bytes of the head's gradient: a tile of logits, and the gradients of ``tokens`` hidden states."""
    size, rows = BYTES[dtype], min(tokens, _TILE_TOKENS)
    tile = rows * _TILE_LOGITS * size
    copies = rows * min(shapes.vocabulary, _TILE_LOGITS) * _ON_CPU if on_cpu else 0
    weight = shapes.vocabulary * shapes.hidden * (4 + size) if trained else 0  # summed in float32, then cast
    return float(tile + copies + weight + tokens * shapes.hidden * (4 + size))
