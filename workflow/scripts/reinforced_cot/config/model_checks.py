"""Checks of ``base_model``: where it is from, the sizes of the tiny one, and what fits into its context."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from reinforced_cot.config.data_checks import type_problems
from reinforced_cot.config.policy_checks import Candidate
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.digits.scene_size import SCENE_PIXELS
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.models.families import FAMILIES, Family, check_vllm_rollouts, family_of_checkpoint
from reinforced_cot.models.settings import BaseModelSettings


def base_model_problems(base_model: BaseModelSettings) -> Iterator[str]:
    """Whether the checkpoint can be found, is pinned, and belongs to a known family."""
    path, revision = base_model.path, base_model.revision
    is_folder = path is not None and Path(path).is_dir()
    if path is not None and not is_folder and not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", path):
        yield f"`base_model.path` is {path}; it is neither a folder that exists nor a hub id like owner/name"
    elif path is not None and not is_folder and revision is None:
        yield (
            f"`base_model.revision` is null and `base_model.path` {path} is no folder here, so it is read as a hub id; "
            "correct the folder, or pin the model's commit (40 hexadecimal digits; it can change under its name): "
            f"git ls-remote https://huggingface.co/{path} HEAD"
        )
    if revision is not None and (path is None or is_folder):
        yield f"`base_model.revision` is {revision}; it pins a hub id, and `base_model.path` is none; set it null"
    try:
        _family(base_model)
    except DataError as error:
        yield f"`base_model.path`: {error}"
    if base_model.trust_remote_code and revision is None:
        yield "`base_model.trust_remote_code` is true; code is only run from a hub id with its `base_model.revision`"


def _family(base_model: BaseModelSettings) -> Family | None:
    """The family of a folder or of the tiny model; a hub id's is known only after its download."""
    if base_model.path is None:
        return FAMILIES["qwen2_5_vl"]
    folder = Path(base_model.path)
    return family_of_checkpoint(folder) if folder.is_dir() else None


def vllm_family_problems(candidate: Candidate, base_model: BaseModelSettings) -> Iterator[str]:
    """Whether vLLM reads the prompts of the base's family as the trainer does."""
    if not candidate.policy.training["use_vllm"]:
        return
    try:
        if family := _family(base_model):
            check_vllm_rollouts(family, candidate.key)
    except DataError:
        return  # `base_model_problems` says so
    except PipelineError as error:
        yield str(error)


def tiny_problems(base_model: BaseModelSettings) -> Iterator[str]:
    """Qwen2.5-VL's rotary embeddings need half a head for text, and a quarter for an image's two axes."""
    if base_model.path is not None:
        return
    sizes, key = base_model.tiny.architecture, "base_model.tiny.architecture"
    heads, groups, seeing = sizes.num_attention_heads, sizes.num_key_value_heads, sizes.vision_num_heads
    if sizes.hidden_size % (2 * heads):
        yield (
            f"`{key}.hidden_size` is {sizes.hidden_size}; it must be a multiple of 2 x num_attention_heads, {2 * heads}"
        )
    if heads % groups:
        yield f"`{key}.num_attention_heads` is {heads}; it must be a multiple of num_key_value_heads, {groups}"
    if sizes.vision_hidden_size % (4 * seeing):
        yield (
            f"`{key}.vision_hidden_size` is {sizes.vision_hidden_size}; it must be a multiple of "
            f"4 x vision_num_heads, {4 * seeing}"
        )
    if base_model.tiny.pretraining and not any(base_model.tiny.pretraining.mix.as_dict().values()):
        yield "`base_model.tiny.pretraining.mix` has no share above 0; the language model needs something to read"


def scene_problems(base_model: BaseModelSettings, image: PixelBudget) -> Iterator[str]:
    """Pretraining aligns one visual token with each of a digit scene's cells, so the scenes must keep their size; and
    each must have an answer to one of the question types.
    """
    if base_model.path is not None or not base_model.tiny.pretraining:
        return
    yield from type_problems("base_model.tiny.pretraining.question_types", base_model.tiny.pretraining.question_types)
    resized = {"min_pixels": image.min_pixels > SCENE_PIXELS, "max_pixels": image.max_pixels < SCENE_PIXELS}
    for key in (key for key, bad in resized.items() if bad):
        yield (
            f"`image.{key}` is {getattr(image, key)}; the tiny model is trained on digit scenes of {SCENE_PIXELS} "
            "pixels, which must stay as they are: change it or set `base_model.tiny.pretraining` null"
        )


def context_problems(base_model: BaseModelSettings, key: str, lengths: Mapping[str, int]) -> Iterator[str]:
    """Completions must be shorter than the tiny model's context; prompts are counted when a stage starts.

    Args:
        key: of the section. lengths: of the longest completion, in tokens, by the section's key that says so.
    """
    context = base_model.tiny.architecture.max_position_embeddings
    for name, length in lengths.items():
        if base_model.path is None and length >= context:
            yield (
                f"`{key}.{name}` is {length}; the tiny model has {context} positions, for prompt and completion "
                "together"
            )
