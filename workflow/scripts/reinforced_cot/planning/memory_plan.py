"""What a stage needs of each device's memory, before anything is loaded: arithmetic over the model's shapes.

`benchmarks/plan.md` compares plans with the tensors of real stages. Fragmentation, CUDA's own context and the vision
tower's temporary tensors are not counted: `SLACK` leaves room for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

GIB = 2**30
SLACK = 0.9  # share of a device that a plan may fill
BYTES = {"float32": 4, "bfloat16": 2}
EMBEDDED = "adapter that a merge keeps beside its base"
UPDATE = "activations and logits of an update"
GATHERED = "weights gathered for a generation"
KEYS_AND_VALUES = "keys and values of a generation"
PROOF = "logits of the proof"
WORKING = "working tensors of a generation"
_GENERATION = (GATHERED, KEYS_AND_VALUES, WORKING)
_DRAWN = 16  # bytes beside a logit from which a token is drawn: four float32 copies, among them the probabilities


@dataclass(frozen=True)
class Shapes:
    """Numbers of weights of a model, and sizes of its language model.

    Attributes:
        weights: of the whole model, without any adapter.
        linear: the part of them that a quantization takes.
        adapter: of the LoRA adapter that is trained, beside them.
        query_size: size of one token's queries in one layer, in numbers.
        kv_size: size of one token's keys in one layer, in numbers; its values have the same size.
        layer: weights of one decoder layer.
        pixel_bytes: bytes of an image by pixel, as its processor prepares it.
        token_pixels: pixels that become one visual token.
        features: numbers that the vision cache keeps of a visual token.
        embedded: weights of an adapter that stands beside the weights of the checkpoint (`models.embedded_adapter`).
        products: of the MLP that a decoder layer keeps, each of size ``intermediate``: three, and the input of its last
            layer where that layer is trained or has an adapter.
        trees: whether a row may hold several sequences (`attention.tree_attention`).
    """

    weights: int
    linear: int
    adapter: int
    layers: int
    hidden: int
    intermediate: int
    query_size: int
    kv_size: int
    vocabulary: int
    layer: int
    pixel_bytes: int
    token_pixels: int
    features: int
    embedded: int = 0
    products: int = 4
    trees: bool = True


@dataclass(frozen=True)
class Plan:
    """Bytes on one device, by purpose.

    Attributes:
        parts: bytes by purpose; those of an update and those of a generation never exist at the same time.
        vllm_share: share of the device that vLLM takes beside the trainer.
        vllm_sleeps: vLLM gives its share back while an update is made.
    """

    parts: Mapping[str, float]
    vllm_share: float = 0.0
    vllm_sleeps: bool = False

    def needed(self, capacity: float) -> float:
        """Peak bytes: the permanent parts, and an update or a generation.

        Args:
            capacity: of the device, in bytes.
        """
        update, generation = (sum(self.parts.get(name, 0.0) for name in moment) for moment in ((UPDATE,), _GENERATION))
        always = sum(size for name, size in self.parts.items() if name not in (UPDATE, *_GENERATION))
        vllm = self.vllm_share * capacity
        return always + (max(update, generation + vllm) if self.vllm_sleeps else max(update, generation) + vllm)

    def __str__(self) -> str:
        lines = [f"{size / GIB:9.2f} GiB  {name}" for name, size in self.parts.items()]
        lines.append(f"{self.needed(0) / GIB:9.2f} GiB  at most at once")
        if self.vllm_share:
            while_ = " while it generates" if self.vllm_sleeps else ""
            lines.append(f"{self.vllm_share:9.0%} of the device for vLLM{while_}, on top")
        return "\n".join(lines)


def embedded_bytes(shapes: Shapes) -> dict[str, float]:
    """The adapter beside the weights of the checkpoint, which is float32."""
    return {EMBEDDED: shapes.embedded * 4.0} if shapes.embedded else {}


def generation_bytes(shapes: Shapes, dtype: str, rows: int, tokens: int, prompts: int, prompt: int) -> dict[str, float]:
    """Parts of a generation by transformers. Either the prompts are computed, or the next token of each row.

    Args:
        rows: completions that are written at once.
        tokens: of the longest of them, with its prompt.
        prompts: how many different prompts they have.
        prompt: tokens of the longest.
    """
    size = BYTES[dtype]
    # The prompts are one row, whose MLP makes three products.
    computed = prompts * prompt * size * (3 * shapes.intermediate + 4 * shapes.hidden)
    # One layer's keys and values are copied with the new token's, and repeated for each head of the queries.
    copied = 2 * rows * tokens * size * (shapes.kv_size + shapes.query_size)
    return {
        KEYS_AND_VALUES: kv_bytes(shapes, dtype, rows, tokens),
        WORKING: float(max(computed, copied + rows * shapes.vocabulary * (size + _DRAWN))),
    }


def answering_plan(shapes: Shapes, dtype: str, rows: int, tokens: int, prompts: int, prompt: int) -> Plan:
    """The plan of answering: the weights, and a generation; arguments as for `generation_bytes`."""
    generation = generation_bytes(shapes, dtype, rows, tokens, prompts, prompt)
    return Plan({"weights": float(shapes.weights * BYTES[dtype]), **embedded_bytes(shapes), **generation})


def kv_bytes(shapes: Shapes, dtype: str, rows: int, tokens: int) -> float:
    """Bytes of the keys and values of all layers."""
    return float(rows * tokens * shapes.layers * 2 * shapes.kv_size * BYTES[dtype])


def what_to_lower(plan: Plan) -> str:
    """The settings that reduce the largest part of a plan."""
    a_generation = "the batch that is generated at once, or the number of new tokens"
    hints = {
        "weights": "a topology that splits the weights (zero3), or quantization nf4",
        "optimizer states": "optim adamw_8bit, a topology that splits them (zero2), or an adapter of a smaller r",
        "pixels of a batch": "the batch that is generated at once, or image.max_pixels",
        GATHERED: "ds3_gather_for_generation false (slower), or a smaller model",
        UPDATE: "per_device_train_batch_size or image.max_pixels, or gradient_checkpointing true",
        KEYS_AND_VALUES: a_generation,
        WORKING: a_generation,
        PROOF: "the length of prompt.system and prompt.instruction",
    }
    largest = max(hints, key=lambda name: plan.parts.get(name, 0.0))
    vllm = ", or vllm_gpu_memory_utilization, or set vllm_enable_sleep_mode true" if plan.vllm_share else ""
    return hints[largest] + vllm
