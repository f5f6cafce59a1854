"""The content of ``trl_fields.json``: which fields of TRL's SFTConfig and GRPOConfig, and of PEFT's LoraConfig, a
configuration may set.

The configuration takes these fields under their own names, and a typo in one must fail at dry-run, without importing
torch. So names, types and defaults are read off the dataclasses once, here; a unit test generates them again and
compares. After every change of TRL, transformers or PEFT, run `generate.py`.

Fields that the pipeline sets itself are listed under ``reserved``, each with the reason that the user is told.
"""

import dataclasses
import enum
import re
import types
import typing
from importlib.metadata import version
from pathlib import Path
from typing import Any

_LAUNCH = "is set by the pipeline: `launch` says on how many GPUs a stage runs"
_SELECTION = "is set by the pipeline: `selection` says how the best checkpoint is chosen, at every save"
_NO_SELECTION = (
    "is not available: the policy's `selection` asks questions of val and chooses the checkpoint (every, publish)"
)
_HUB = "is not available: a run uploads no model"
_TRACKING = "is set by the pipeline: `trackers`, at the top level, names what tracks runs besides TensorBoard"
_COMPLETIONS = "is set by the pipeline: `trackers.completions_every` shows completions with their images"
_NEVER_CUT = "is not available: nothing is ever truncated, since a cut prompt loses image tokens (`prompt.max_tokens`)"
_NO_PACKING = "is not available: TRL packs no sequences with images"
_SEED = "is set by the pipeline: there is one `seed`, at the top level"
_RESUME = "is not available: a killed stage must resume exactly where its last checkpoint stands"
_TEXT_COLUMNS = "is set by the pipeline: records are conversations with an image"
_OTHER_LORA = "is not available: merging covers plain LoRA, rsLoRA and DoRA"
_NO_REFERENCE = "is not available: the reference stays the policy that RL starts from"
_SERVER = "is set by the pipeline: a stage with `vllm_mode: server` starts its server itself, and says where it is"
_UNUSED = "is not available: it has no effect here"

# field: what the user is told. The only list of what a config may not set.
RESERVED_IN_BOTH = {
    "output_dir": "is set by the pipeline (results/{policy}/checkpoints)",
    "do_train": _UNUSED,
    "do_eval": _UNUSED,
    "do_predict": _UNUSED,
    "seed": _SEED,
    "data_seed": _SEED,
    "resume_from_checkpoint": "is set by the pipeline: a stage resumes by itself from its last complete checkpoint",
    "save_only_model": _RESUME,
    "ignore_data_skip": _RESUME,
    "restore_callback_states_from_checkpoint": _RESUME,
    "save_on_each_node": "is not available: checkpoints stand once, in the results folder that all nodes share",
    "enable_jit_checkpoint": "is not available: what a stage does on SIGTERM is not a matter of settings",
    "logging_nan_inf_filter": "is set by the pipeline: a loss that is not finite ends the run",
    "report_to": _TRACKING,
    "run_name": _TRACKING,
    "project": _TRACKING,
    "trackio_space_id": _TRACKING,
    "trackio_bucket_id": _TRACKING,
    "trackio_static_space_id": _TRACKING,
    "push_to_hub": _HUB,
    "hub_token": _HUB,
    "hub_private_repo": _HUB,
    "hub_model_id": _HUB,
    "hub_strategy": _HUB,
    "hub_always_push": _HUB,
    "hub_revision": _HUB,
    "eval_strategy": _SELECTION,
    "eval_steps": _SELECTION,
    "eval_delay": _SELECTION,
    "eval_on_start": _SELECTION,
    "eval_accumulation_steps": _SELECTION,
    "eval_do_concat_batches": _SELECTION,
    "eval_use_gather_object": _SELECTION,
    "batch_eval_metrics": _SELECTION,
    "include_for_metrics": _SELECTION,
    "prediction_loss_only": _SELECTION,
    "per_device_eval_batch_size": "is set by the pipeline: see `selection.batch_size` and `answer.batch_size`",
    "bf16_full_eval": "is set by the pipeline: `base_model.dtype` is the precision of evaluation",
    "fp16_full_eval": "is set by the pipeline: `base_model.dtype` is the precision of evaluation",
    "load_best_model_at_end": _SELECTION,
    "metric_for_best_model": _SELECTION,
    "greater_is_better": _SELECTION,
    "auto_find_batch_size": "is not available: batch sizes are those that the configuration states",
    "use_cache": "is not available: LoRA training needs no cache",
    "use_cpu": _LAUNCH,
    "accelerator_config": _LAUNCH,
    "parallelism_config": _LAUNCH,
    "deepspeed": _LAUNCH,
    "fsdp": _LAUNCH,
    "fsdp_config": _LAUNCH,
    "local_rank": _LAUNCH,
    "ddp_backend": _LAUNCH,
    "dataloader_pin_memory": "is set by the pipeline: memory is pinned where there is a GPU",
    "remove_unused_columns": "is set by the pipeline: rewards and images are read from the columns",
    "label_names": _TEXT_COLUMNS,
    "length_column_name": _TEXT_COLUMNS,
    "train_sampling_strategy": "is set by the pipeline: SFT groups by length, GRPO repeats each prompt",
    "model_init_kwargs": "is set by the pipeline: see `base_model`",
    "trust_remote_code": "is set by the pipeline: see `base_model.trust_remote_code`",
    "use_liger_kernel": "is deprecated by TRL and not available",
    "liger_kernel_config": "is deprecated by TRL and not available",
}
RESERVED = {
    "sft": {
        **RESERVED_IN_BOTH,
        "chat_template_path": "is set by the pipeline: every checkpoint carries its chat template",
        "eos_token": "is set by the pipeline: every checkpoint carries its tokenizer",
        "pad_token": "is set by the pipeline: every checkpoint carries its tokenizer",
        "dataset_text_field": _TEXT_COLUMNS,
        "dataset_kwargs": _TEXT_COLUMNS,
        "dataset_num_proc": "is not available: images are processed batch by batch while training runs",
        "completion_only_loss": "is set by the pipeline: the loss is taken on completion tokens only",
        "assistant_only_loss": "is set by the pipeline: the loss is taken on completion tokens only",
        "max_length": _NEVER_CUT,
        "truncation_mode": _NEVER_CUT,
        "packing": _NO_PACKING,
        "packing_strategy": _NO_PACKING,
        "eval_packing": _NO_PACKING,
        "padding_free": _NO_PACKING,
    },
    "grpo": {
        **RESERVED_IN_BOTH,
        **{name: _NO_SELECTION for name, reason in RESERVED_IN_BOTH.items() if reason == _SELECTION},
        "reward_weights": "is set by the pipeline: see `rewards`",
        "chat_template_kwargs": "is not available: SFT, RL and evaluation render the same prompt",
        "num_generations_eval": "is not available: a policy is evaluated by the stages answer and evaluate",
        "log_multimodal": _COMPLETIONS,
        "log_completions_hub_repo": _HUB,
        "vllm_server_base_url": _SERVER,
        "vllm_server_host": _SERVER,
        "vllm_server_port": _SERVER,
        "vllm_group_port": _SERVER,
        "sync_ref_model": _NO_REFERENCE,
        "ref_model_mixup_alpha": _NO_REFERENCE,
        "ref_model_sync_steps": _NO_REFERENCE,
        "max_tool_calling_iterations": "is not available: a policy calls no tools",
        "use_transformers_continuous_batching": "is not available: TRL refuses it for a model that sees images",
        "use_transformers_paged": "is not available: TRL refuses it for a model that sees images",
        "transformers_continuous_batching_config": "is not available: TRL refuses it for a model that sees images",
    },
    "lora": {
        "task_type": "is set by the pipeline (CAUSAL_LM)",
        "peft_type": "is set by the pipeline (LORA)",
        "auto_mapping": "is set by PEFT when the adapter is saved",
        "peft_version": "is set by PEFT when the adapter is saved",
        "base_model_name_or_path": "is set by PEFT when the adapter is saved",
        "revision": "is set by the pipeline: see `base_model.revision`",
        "inference_mode": "is set by PEFT when the adapter is saved",
        "megatron_config": _OTHER_LORA,
        "megatron_core": _OTHER_LORA,
        "loftq_config": _OTHER_LORA,
        "eva_config": _OTHER_LORA,
        "corda_config": _OTHER_LORA,
        "lora_ga_config": _OTHER_LORA,
        "velora_config": _OTHER_LORA,
        "alora_invocation_tokens": _OTHER_LORA,
        "use_qalora": _OTHER_LORA,
        "qalora_group_size": _OTHER_LORA,
        "monteclora_config": _OTHER_LORA,
        "layer_replication": _OTHER_LORA,
        "runtime_config": _OTHER_LORA,
        "use_bdlora": _OTHER_LORA,
        "arrow_config": _OTHER_LORA,
        "kasa_config": _OTHER_LORA,
    },
}

# What a trainer takes where the type hint says no more than "string" (TRL's docstrings), or less than the hint allows:
# PEFT's other initialisations change the base weights, so that the adapter could not be merged into the base on disk.
CHOICES: dict[str, dict[str, list[Any]]] = {
    "sft": {"loss_type": ["nll", "dft"]},
    "grpo": {
        "importance_sampling_level": ["token", "sequence"],
        "loss_type": ["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"],
        "scale_rewards": ["group", "batch", "none", True, False],
        "multi_objective_aggregation": ["sum_then_normalize", "normalize_then_sum"],
        "vllm_mode": ["server", "colocate"],
        "vllm_model_impl": ["transformers", "vllm"],
        "vllm_importance_sampling_mode": ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"],
    },
    "lora": {"init_lora_weights": [True, False, "gaussian", "orthogonal"]},
}
# Schedulers that need the trainer's own evaluation.
UNUSABLE = {"reduce_lr_on_plateau", "greedy"}

BOUNDS: dict[str, dict[str, float]] = {
    "per_device_train_batch_size": {"minimum": 1},
    "gradient_accumulation_steps": {"minimum": 1},
    "num_train_epochs": {"exclusiveMinimum": 0},
    "max_steps": {"minimum": -1},
    "learning_rate": {"exclusiveMinimum": 0},
    "weight_decay": {"minimum": 0},
    "warmup_steps": {"minimum": 0},
    "max_grad_norm": {"minimum": 0},
    "logging_steps": {"exclusiveMinimum": 0},
    "save_steps": {"exclusiveMinimum": 0},
    "save_total_limit": {"minimum": 1},
    "dataloader_num_workers": {"minimum": 0},
    "torch_empty_cache_steps": {"minimum": 1},
    "num_generations": {"minimum": 2},
    "max_completion_length": {"minimum": 1},
    "generation_batch_size": {"minimum": 1},
    "steps_per_generation": {"minimum": 1},
    "num_iterations": {"minimum": 1},
    "temperature": {"exclusiveMinimum": 0},
    "beta": {"minimum": 0},
    "epsilon": {"exclusiveMinimum": 0},
    "epsilon_high": {"exclusiveMinimum": 0},
    "vllm_gpu_memory_utilization": {"exclusiveMinimum": 0, "maximum": 1},
    "vllm_tensor_parallel_size": {"minimum": 1},
    "r": {"minimum": 1},
    "lora_alpha": {"minimum": 1},
    "lora_dropout": {"minimum": 0, "maximum": 1},
}
# The dataclasses say Optional, the trainer does arithmetic with them.
NEVER_NULL = {"num_generations", "max_completion_length"}

_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", type(None): "null"}


def generate() -> dict[str, Any]:
    """The content of ``trl_fields.json``.

    Raises:
        ValueError: a name listed here is no field of its dataclass any more, or a type hint has no JSON equivalent.
    """
    from peft import LoraConfig
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.sft_config import SFTConfig

    dataclass_of = {"sft": SFTConfig, "grpo": GRPOConfig, "lora": LoraConfig}
    return {
        "$comment": "Generated by generate.py; do not edit.",
        "versions": {name: version(name) for name in ("peft", "transformers", "trl")},
        **{section: fields_of(dataclass, section) for section, dataclass in dataclass_of.items()},
    }


def fields_of(dataclass: type, section: str) -> dict[str, Any]:
    """JSON schema of one dataclass: its settable fields, and under ``reserved`` the others with the reason."""
    hints = typing.get_type_hints(dataclass)
    fields = {field.name: field for field in dataclasses.fields(dataclass)}
    reserved = dict(RESERVED[section])
    gone = sorted((reserved.keys() | CHOICES[section].keys()) - fields.keys())
    if gone:
        raise ValueError(f"{gone} are no fields of {dataclass.__name__}: remove them from {Path(__file__).name}")
    for name, field in fields.items():
        help_text = str(field.metadata.get("help", ""))
        if help_text.startswith("Deprecated") and name not in reserved:
            instead = _first_sentence(help_text.removeprefix("Deprecated").lstrip(".,: ")).rstrip(".")
            reserved[name] = f"is deprecated by TRL: {instead}"
    return {
        "title": f"{dataclass.__module__.partition('.')[0].upper()}'s {dataclass.__name__}",  # TRL's or PEFT's
        "type": ["object", "null"] if section == "lora" else "object",  # without LoRA every weight is trained
        "additionalProperties": False,
        "properties": {
            name: field_schema(field, hints[name], CHOICES[section].get(name))
            for name, field in sorted(fields.items())
            if name not in reserved
        },
        "reserved": dict(sorted(reserved.items())),
    }


def field_schema(field: "dataclasses.Field[Any]", hint: Any, choices: list[Any] | None) -> dict[str, Any]:
    """JSON schema of one field: its type, bounds, first sentence of its help and its default."""
    schema = _type_schema(hint)
    choices = choices or list(field.metadata.get("choices", []))
    if field.name in NEVER_NULL:
        schema["type"] = next(name for name in schema["type"] if name != "null")
    if choices:
        nullable = "null" in schema.get("type", []) or None in schema.get("enum", [])
        schema = {"enum": [*choices, *([None] if nullable else [])]}
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value not in UNUSABLE]
    schema |= BOUNDS.get(field.name, {})
    schema["description"] = _first_sentence(str(field.metadata.get("help", "")))
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    schema["default"] = default.value if isinstance(default, enum.Enum) else default
    return schema


def _type_schema(hint: Any) -> dict[str, Any]:
    """JSON schema of a type hint.

    A union with an Enum keeps the Enum's values alone, one with a dict drops the string that stands for it on the
    command line.
    """
    members = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    has_enum = any(isinstance(member, type) and issubclass(member, enum.Enum) for member in members)
    has_dict = any((typing.get_origin(member) or member) is dict for member in members)
    names: list[str] = []
    values: list[Any] = []
    items: dict[str, Any] = {}
    for member in members:
        origin = typing.get_origin(member) or member
        if origin is typing.Literal:
            values += typing.get_args(member)
        elif isinstance(origin, type) and issubclass(origin, enum.Enum):
            values += [entry.value for entry in origin]
        elif member is str and (has_enum or has_dict):
            continue
        elif origin is list:
            names.append("array")
            entry_schema = _type_schema(typing.get_args(member)[0]) if typing.get_args(member) else {}
            items = {"items": entry_schema}
        elif origin in _JSON_TYPES:
            names.append(_JSON_TYPES[origin])
        else:
            raise ValueError(f"type hint {hint} has no JSON equivalent: reserve the field or extend _type_schema")
    if values:
        return {"enum": [*values, *([None] if "null" in names else [])]}
    # Python caches unions, so that the order of their members depends on what was imported before.
    names.sort(key=[*_JSON_TYPES.values(), "array"].index)
    return {"type": names[0] if len(names) == 1 else names, **items}


def _first_sentence(text: str) -> str:
    text = " ".join(text.replace("%%", "%").split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`'\[])", text, maxsplit=1)[0]
