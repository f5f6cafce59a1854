"""LoRA adapters: their configuration, their publication with provenance, and the check of their base."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch.nn import Linear
from transformers import PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import new_folder, read_json
from reinforced_cot.integrity import check_published
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.checkpoints import weights_hash
from reinforced_cot.models.embedded_adapter import ADAPTER_FILES, ADAPTER_WEIGHTS, sort_adapter_config
from reinforced_cot.models.families import family_of
from reinforced_cot.models.loading import count_weights


def lora_config(settings: Mapping[str, Any] | None, model: PreTrainedModel) -> LoraConfig | None:
    """PEFT's LoRA configuration from a policy's ``lora`` section; None for full fine-tuning.

    Vision towers may have modules of the same name as the language model. A name in the list ``target_modules`` then
    means those of the language model only. Modules of the tower are adapted if only the tower has the name, if
    ``exclude_modules`` is given, even as null, or if ``target_modules`` is ``all-linear`` or a regular expression.

    Args:
        settings: PEFT's own field names; None for full fine-tuning.

    Raises:
        DataError: the model's family is unknown.
        PipelineError: a target module occurs nowhere in the model: PEFT would silently train the others only. Or one of
            two tied embeddings would be trained without the other.
    """
    if settings is None:
        return None
    _check_tied_embeddings(settings, model)
    targets = settings["target_modules"]
    modules = [name for name, _ in model.named_modules()]
    if isinstance(targets, list):
        unknown = [target for target in targets if not any(f".{name}".endswith(f".{target}") for name in modules)]
    else:  # PEFT's own word for every linear layer, or a regular expression over whole paths
        unknown = [] if targets == "all-linear" or any(re.fullmatch(targets, name) for name in modules) else [targets]
    if unknown:
        family = family_of(model.config.model_type, model.name_or_path)
        layers = [path for path, module in model.named_modules() if isinstance(module, Linear)]
        linear = sorted({path.rpartition(".")[-1] for path in layers if not family.is_vision(path)})
        raise PipelineError(
            f"lora.target_modules: no module of the model is named {', '.join(unknown)}; its language model's linear "
            f"layers are {', '.join(linear)}"
        )
    if isinstance(targets, list) and "exclude_modules" not in settings:
        settings = {**settings, **_without_vision_modules(targets, modules, model)}
    return LoraConfig(task_type="CAUSAL_LM", **settings)


def _check_tied_embeddings(settings: Mapping[str, Any], model: PreTrainedModel) -> None:
    """See that embedding and head stay one weight where they are one, since a checkpoint has one tensor for both."""
    configs = (model.config, model.config.get_text_config())  # some families name it in the one, some in the other
    if not next((config.tie_word_embeddings for config in configs if hasattr(config, "tie_word_embeddings")), False):
        return
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    names = [path.rpartition(".")[-1] for path, module in model.named_modules() if id(module) in ends]
    both = " and ".join(names)
    advice = f"train both in full by `modules_to_save: [{names[0]}]` and `ensure_weight_tying: true`"
    if settings.get("trainable_token_indices"):
        raise PipelineError(
            f"lora.trainable_token_indices: {both} share one weight in this model (tie_word_embeddings in its "
            f"config.json), of which single rows cannot be trained; {advice}"
        )
    targets = settings["target_modules"]
    if isinstance(targets, list) and (named := [name for name in names if name in targets]):
        raise PipelineError(
            f"lora.target_modules: {both} share one weight in this model (tie_word_embeddings in its config.json), so "
            f"that an adapter on {named[0]} cannot be merged; {advice}"
        )
    saved = [name for name in names if name in (settings.get("modules_to_save") or [])]
    if saved and not settings.get("ensure_weight_tying"):
        raise PipelineError(
            f"lora.modules_to_save: {both} share one weight in this model (tie_word_embeddings in its config.json), "
            f"and training {saved[0]} alone would part them; add `ensure_weight_tying: true` to `lora`"
        )


def _without_vision_modules(targets: list[str], modules: Sequence[str], model: PreTrainedModel) -> dict[str, str]:
    """``exclude_modules`` for the vision tower's modules whose names the language model has, too; else empty."""
    family = family_of(model.config.model_type, model.name_or_path)
    sides = {
        target: {family.is_vision(name) for name in modules if f".{name}".endswith(f".{target}")} for target in targets
    }
    on_both = "|".join(re.escape(target) for target, is_vision in sides.items() if len(is_vision) == 2)
    vision = "|".join(map(re.escape, family.vision))
    return {"exclude_modules": rf"(?:{vision})\.(?:.*\.)?(?:{on_both})"} if on_both else {}


def continued(model: PreTrainedModel, adapter: Path) -> PeftModel:
    """``model`` with an existing adapter, whose training continues.

    Under ZeRO-3 the adapter must have the dtype of the weights beside it (trl#6089).
    """
    autocast = not is_deepspeed_zero3_enabled()
    return PeftModel.from_pretrained(model, adapter, is_trainable=True, autocast_adapter_dtype=autocast)


def check_trainable(model: PreTrainedModel | PeftModel) -> int:
    """Count the trainable parameters.

    Raises:
        PipelineError: there are none.
    """
    trainable = count_weights(parameter for parameter in model.parameters() if parameter.requires_grad)
    if trainable == 0:
        raise PipelineError("no parameter is trainable: lora.target_modules matches no module of the model")
    return trainable


def adapter_weights(settings: Mapping[str, Any], model: PreTrainedModel) -> int:
    """How many weights a fresh adapter of ``model`` has; ``model`` is changed."""
    return check_trainable(get_peft_model(model, lora_config(settings, model)))


def train_in_float32(model: PeftModel, start: Path | None = None) -> None:
    """Keep the trained weights in float32, whatever the dtype of the base.

    TRL makes the adapter of a quantized base bfloat16, where a step of 1e-5 on a weight of 1e-2 is rounded away.

    Args:
        start: the adapter whose training continues: TRL has rounded it, too, so it is read again. None for a fresh one.
    """
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if start:
        set_peft_model_state_dict(model, load_file(start / ADAPTER_WEIGHTS))


def publish_adapter(checkpoint: Path, base: Path, output: Path, start: Path | None = None) -> None:
    """Write ``{output}/adapter`` and its manifest ``{output}/adapter.json``, which names the base by its weights' hash.

    Args:
        checkpoint: a folder that holds `ADAPTER_FILES`.
        base: the folder of the policy that was adapted, which holds ``model`` and ``model.json``.
        output: ``results/{policy}``.
        start: the adapter whose training was continued; None for a fresh one.

    Raises:
        PipelineError: the adapter is not finite, is zero, as an empty one under ZeRO-3 (trl#4416), or still equals
            ``start``.
    """
    weights = load_file(checkpoint / ADAPTER_WEIGHTS)
    before = load_file(start / ADAPTER_WEIGHTS) if start else {}
    if before and all(name in before and torch.equal(before[name], weight) for name, weight in weights.items()):
        raise PipelineError(
            f"the trained adapter is still {start}: nothing was learned; raise learning_rate, or look at the rewards"
        )
    if not_finite := [name for name, weight in weights.items() if not torch.isfinite(weight).all()]:
        raise PipelineError(f"the trained adapter is not finite ({not_finite[0]}): lower learning_rate")
    norm = sum(float(weight.float().norm()) for name, weight in weights.items() if "lora_B" in name)
    if not norm > 0:
        raise PipelineError(
            "the trained adapter is zero: nothing was learned or nothing was gathered. In RL, all completions to each "
            "question may have earned the same (frac_reward_zero_std 1 in the log): start from a policy that is right "
            "at times, pay for parts of the form (`rewards.tag_count`), or let completions be longer"
        )
    with new_folder(output / "adapter") as folder:
        for name in ADAPTER_FILES:
            shutil.copyfile(checkpoint / name, folder / name)
        sort_adapter_config(folder)
    base_weights = weights_hash(read_json(base / "model.json"))
    write_manifest(output / "adapter", output / "adapter.json", base=base.name, base_weights=base_weights)


def base_of(adapter: Path) -> Path:
    """The folder of the policy that an adapter was trained on: the adapter's manifest names it.

    Raises:
        DataError: the adapter is damaged, or that policy has other weights by now.
    """
    base = adapter.parents[1] / read_json(adapter.with_suffix(".json"))["base"]
    check_base(adapter, base)
    return base


def check_base(adapter: Path, base: Path) -> dict[str, Any]:
    """Check that an adapter was trained on ``base``, and return the adapter's manifest.

    Args:
        adapter: ``results/{policy}/adapter``.
        base: the folder that holds ``model`` and ``model.json``.

    Raises:
        DataError: the adapter is damaged, or was trained on other weights.
    """
    manifest = check_published(adapter)
    base_weights = weights_hash(check_published(base / "model"))
    if base_weights != manifest["base_weights"]:
        raise DataError(
            f"{adapter} was trained on a base with weights {manifest['base_weights'][:12]}, but {base / 'model'} has "
            f"{base_weights[:12]}: merge it into the base it was trained on ({manifest['base']})"
        )
    return manifest
