"""The section ``answer``: how every policy is asked the questions of test."""

from typing import Annotated, Literal

from pydantic import Field

from reinforced_cot.data.settings import Prompt
from reinforced_cot.models.settings import Loading
from reinforced_cot.section import Count, Natural, Section, Seed

ENGINE_PACKAGES = {"vllm": "vllm"}  # what an engine needs besides the default environment


class Answering(Section):
    """How every policy is asked the questions of test."""

    batch_size: Count = 64
    """How many questions with the longest prompts are answered together; with shorter prompts, as many more as make no
    more tokens in total.
    """

    max_new_tokens: Count = 64
    """Longest answer, chain included, in tokens."""

    samples: Natural = 0
    """Further answers per question at temperature 1, for accuracy there and pass@k; 0 for the greedy answer alone."""

    direct: bool = True
    """Ask once more without a chain (an empty chain is written for the policy), as a baseline."""

    probes: Natural | None = 200
    """How many questions are asked again with a blank image and with another question's image; null for all, 0 for
    none.
    """

    engine: Literal["transformers", "vllm"] = "transformers"
    """What generates the answers; `vllm` is many times faster on a GPU, and needs `make vllm` (docs/cluster.md)."""

    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of the GPU's memory that vLLM takes; read with `engine: vllm`."""


class AnswerSettings(Section):
    """What the stage `answer` reads; the same for every policy."""

    seed: Seed
    prompt: Prompt
    base_model: Loading
    answer: Answering
