"""The plan of a stage from its settings alone, before any data or model exists: `snakemake plan` prints it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from reinforced_cot.base.tiny_model import SPECIAL_TOKENS, build_config
from reinforced_cot.data.examples import Example, most_images
from reinforced_cot.errors import PipelineError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.hub_errors import hub_problem
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.models.settings import BaseCheckpoint, BaseSettings, Loading, TinyModel
from reinforced_cot.planning.answering_memory import answering_plan_of
from reinforced_cot.planning.batch_sizes import accumulation
from reinforced_cot.planning.memory_plan import BYTES, GIB, Shapes
from reinforced_cot.planning.merge_memory import expected_tokens, merge_plan
from reinforced_cot.planning.model_shapes import shapes_of_config
from reinforced_cot.planning.training_memory import training_plan_of
from reinforced_cot.policies.graph import adapter_base
from reinforced_cot.policies.names import BASE
from reinforced_cot.policies.settings import TrainedPolicy, TrainSettings

CHAIN = 512  # assumed tokens of the longest chain; the data is not read yet


class Preview:
    """The plans of a configuration.

    Whether a merge keeps its adapter beside the weights is known only after it, since it depends on what the adapter
    has learned. Every merge into bfloat16 is counted as if it did; into float32, none does.
    """

    def __init__(
        self,
        base: BaseSettings,
        policies: Mapping[str, TrainedPolicy],
        loading: Loading,
        examples: Sequence[Example] = (),
    ) -> None:
        """
        Args:
            base: what the base is made of.
            policies: all trained policies by name.
            loading: how every stage loads a checkpoint.
            examples: the prepared records of all splits; before there are any, one image per question is assumed.

        Raises:
            PipelineError: the base's configuration cannot be read.
        """
        self._pixels, self._policies, self._loading = base.image.max_pixels, policies, loading
        self._config = model_config(base.base_model)
        self._examples = examples
        self._known: dict[str, Shapes] = {}

    def training(self, name: str, settings: TrainSettings, topology: Topology) -> str:
        """How the batch of a policy's training is made up, and its memory plan for the longest prompts allowed.

        Args:
            topology: that the training is launched on.
        """
        policy, longest = settings.policy, settings.prompt.max_tokens
        shapes = replace(self._shapes(policy.lora), embedded=self._embedded(adapter_base(self._policies, name)))
        per_device, total = policy.training["per_device_train_batch_size"], policy.global_batch_size or 0
        steps = accumulation(total, per_device, topology.processes)
        rows = f"{total} rows per update = {per_device} x {topology.processes} processes x {steps} accumulated"
        row = longest + CHAIN
        plan = training_plan_of(
            settings, shapes, topology, longest, row, self._pixels * most_images(self._examples), topology.use_cpu
        )
        graded = "".join(f", each graded by judges.{judge}" for judge in getattr(settings, "judges", {}))
        return f"{_head(longest, topology)}, {rows}{policy.batch_in_words()}{graded}\n{plan}"

    def merge(self, settings: TrainSettings) -> str:
        """The memory plan of the merge of a policy's adapter."""
        tokens, compared = expected_tokens(settings.prompt)
        plan = merge_plan(self._shapes(None), self._loading.dtype, tokens, compared)
        return f"about {tokens} tokens in the prompts of the proof\n{plan}"

    def answer(self, settings: AnswerSettings, topology: Topology, report: Sequence[str]) -> str:
        """The memory plan of answering the longest prompts allowed, for the largest policy of ``report``."""
        longest = settings.prompt.max_tokens
        embedded = max(self._embedded(name) for name in report)
        plan = answering_plan_of(settings, replace(self._shapes(None), embedded=embedded), longest)
        return f"{_head(longest, topology)}\n{plan}"

    def vision_cache(self) -> str:
        """What the features of all images take on disk, at most."""
        shapes, bound = self._shapes(None), self._loading.vision_cache_gib
        tokens, size = self._pixels // shapes.token_pixels, BYTES[self._loading.dtype]
        image = tokens * shapes.features * size
        each = f"{tokens} tokens x {shapes.features} x {size} bytes"
        if not self._examples:
            return f"{each} = {image / 2**20:.2f} MiB an image, at most {bound:g} GiB (base_model.vision_cache_gib)"
        images = len({name for example in self._examples for name in example.images})
        whole = images * image / GIB
        cut = f", of which base_model.vision_cache_gib keeps {bound:g}" if whole > bound else ""
        return f"{images} images x {each} = {whole:.2f} GiB of disk at most{cut}"

    def _shapes(self, lora: Mapping[str, Any] | None) -> Shapes:
        """The base's shapes with an adapter; they take seconds."""
        key = repr(lora)
        if key not in self._known:
            self._known[key] = shapes_of_config(self._config, self._loading, lora)
        return self._known[key]

    def _embedded(self, name: str) -> int:
        """Weights of the adapters that may stand beside the model of a policy."""
        if name == BASE or self._loading.dtype == "float32":
            return 0
        policy = self._policies[name]
        if not policy.is_adapted:  # training of every weight takes them in
            return 0
        return self._embedded(adapter_base(self._policies, name)) + self._shapes(policy.lora).adapter


def _head(longest: int, topology: Topology) -> str:
    where = "the CPU" if topology.use_cpu else "GPUs"
    return f"{topology.file.stem}, {topology.processes} process(es) on {where}; prompts of {longest} tokens"


def model_config(base_model: BaseCheckpoint) -> PretrainedConfig:
    """The configuration of the base; that of a hub id is fetched.

    Raises:
        PipelineError: it cannot be fetched.
    """
    path = base_model.path
    if path is None:
        tiny = base_model.tiny or TinyModel()
        ids = {token: number for number, token in enumerate(SPECIAL_TOKENS)}
        return build_config(tiny.vocab_size, ids, tiny.architecture)
    try:
        return AutoConfig.from_pretrained(
            path, revision=base_model.revision, trust_remote_code=base_model.trust_remote_code
        )
    except Exception as error:  # of a dozen types, from three libraries
        problem = hub_problem(error, "model", path)
        if problem is None and not isinstance(error, OSError):
            raise
        raise PipelineError(f"the configuration of {path} cannot be read: {problem or error}") from None
