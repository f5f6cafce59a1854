"""The names of libraries that the package uses beyond their public interface are unchanged.

An upgrade that changes any of it fails here within a second, by name. The table is complete: the package is searched
for names that begin with an underscore and are not its own.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import snakemake.api  # noqa: F401 - before its modules, which import each other
from places import SCRIPTS

PACKAGE = SCRIPTS / "reinforced_cot"
# No hooks: methods of Python's named tuples, the end of some configuration keys, the open progress bars of tqdm (none
# are closed without it), and keys of the files that the ``datasets`` library writes.
OTHERS = {"_asdict", "_replace", "_heads", "_instances", "_type", "_data_files"}
# Modules that need packages which are installed only with GPUs.
NOT_IMPORTED = {"reinforced_cot.generation.vllm_engine"}


class Hook(NamedTuple):
    """A name of a library, and its pinned signature or source.

    Attributes:
        module: the module that is imported.
        name: the dotted name within the module.
        pinned: for a function, its signature without annotations; for any other object, a piece of its owner's source.
    """

    module: str
    name: str
    pinned: str


TRAINER = "trl.trainer.grpo_trainer"
SFT, UTILS, VLLM = "trl.trainer.sft_trainer", "trl.trainer.utils", "trl.generation.vllm_generation"
# Methods that are overridden or replaced, and functions and attributes that are used.
HOOKS = [
    # Snakemake: a method that is replaced, and the attribute by which its use is known.
    Hook("snakemake.dag", "DAG.bfs", "def bfs(self, direction, *jobs, stop=lambda job: False):"),
    Hook("snakemake.dag", "DAG.depending", "masked.update(self.bfs(self.depending, job))"),
    # TRL: methods that the trainers override.
    Hook(TRAINER, "GRPOTrainer._calculate_rewards", "(self, inputs, prompts, completions, completion_ids_list)"),
    Hook(TRAINER, "GRPOTrainer._generate_and_score_completions", "(self, inputs)"),
    Hook(
        TRAINER,
        "GRPOTrainer._generate_single_turn",
        "(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False)",
    ),
    Hook(
        TRAINER,
        "GRPOTrainer._get_per_token_logps_and_entropies",
        "(self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, compute_entropy=False, "
        "compute_aux_loss=False, pixel_values=None, image_grid_thw=None, num_images=None, pixel_attention_mask=None, "
        "spatial_shapes=None, num_tiles=None, image_sizes=None, token_type_ids=None, mm_token_type_ids=None, "
        "image_position_ids=None)",
    ),
    Hook(TRAINER, "GRPOTrainer._get_train_sampler", "(self, dataset=None)"),
    Hook(TRAINER, "GRPOTrainer._prepare_inputs", "(self, generation_batch)"),
    Hook(SFT, "SFTTrainer._get_train_sampler", "(self, train_dataset=None)"),
    Hook(SFT, "SFTTrainer.compute_loss", "(self, model, inputs, return_outputs=False, num_items_in_batch=None)"),
    # transformers: a method that all trainers override.
    Hook("transformers", "Trainer._determine_best_metric", "(self, metrics, trial)"),
    Hook("transformers", "Trainer._get_grad_norm", "(self, model, grad_norm=None)"),
    # TRL: attributes.
    Hook(TRAINER, "GRPOTrainer._buffered_inputs", "self._buffered_inputs = [unsplit_pixel_values_by_grid(batch)"),
    Hook(SFT, "SFTTrainer._total_train_tokens", "self._total_train_tokens += num_tokens_in_batch"),
    Hook(
        TRAINER,
        "GRPOTrainer._metrics",
        'self._metrics = {"train": defaultdict(list), "eval": defaultdict(list)}',
    ),
    Hook(TRAINER, "GRPOTrainer._step", "self._step % self.args.steps_per_generation"),
    # TRL: public names that are replaced or undocumented.
    Hook(VLLM, "VLLMGeneration.generate", "(self, prompts, images, num_generations, profiler=None)"),
    Hook(VLLM, "VLLMGeneration.sync_weights", "(self)"),
    Hook(UTILS, "split_pixel_values_by_grid", "(batch)"),
    Hook(UTILS, "split_tensor_dict", "(tensor_dict, num_chunks)"),
    Hook(UTILS, "unsplit_pixel_values_by_grid", "(batch)"),
    Hook(
        UTILS,
        "RepeatSampler.__init__",
        "(self, data_source, mini_repeat_count, batch_size=1, repeat_count=1, shuffle=True, seed=None)",
    ),
    Hook(UTILS, "add_fused_lm_head", "fused_lm_head=False, labels=None"),
    # transformers
    Hook("transformers", "Trainer._load_from_checkpoint", "(self, resume_from_checkpoint, model=None)"),
    Hook("transformers", "TrainingArguments._setup_devices", "@cached_property\n    def _setup_devices(self)"),
    Hook("transformers.integrations.peft", "PeftAdapterMixin._hf_peft_config_loaded", "_hf_peft_config_loaded = False"),
    Hook("transformers", "PreTrainedModel._no_split_modules", "_no_split_modules: set[str] | list[str] | None = None"),
    Hook("transformers", "PretrainedConfig._attn_implementation", "return self._attn_implementation_internal"),
    Hook(
        "transformers",
        "PretrainedConfig._attn_implementation_internal",
        "self._attn_implementation_internal = attn_implementation",
    ),
    *(
        Hook(
            "transformers", f"{name}._get_num_multimodal_tokens", "(self, image_sizes=None, video_sizes=None, **kwargs)"
        )
        for name in ("Qwen2VLProcessor", "Qwen2_5_VLProcessor", "Qwen3VLProcessor")
    ),
    *(
        Hook("transformers", f"{name}.rope_deltas", "self.rope_deltas = None")
        for name in ("Qwen2VLModel", "Qwen2_5_VLModel", "Qwen3VLModel")
    ),
    Hook("transformers", "InternVLProcessor._get_num_multimodal_tokens", "(self, image_sizes=None, **kwargs)"),
    *(
        Hook("transformers", f"{name}.get_image_features", "(self, pixel_values, image_grid_thw=None, **kwargs)")
        for name in ("Qwen2VLModel", "Qwen2_5_VLModel", "Qwen3VLModel")
    ),
    Hook("transformers", "ProcessorMixin.get_attributes", "(cls)"),
    Hook(
        "transformers",
        "PreTrainedModel.set_attn_implementation",
        "(self, attn_implementation, allow_all_kernels=False)",
    ),
    Hook("transformers.cache_utils", "DynamicLayer", "self.keys, self.values"),
    Hook(
        "transformers.conversion_mapping",
        "get_model_conversion_mapping",
        "(model, key_mapping=None, hf_quantizer=None, add_legacy=True)",
    ),
    Hook(
        "transformers.core_model_loading",
        "rename_source_key",
        "(source_key, weight_renamings, weight_converters, base_model_prefix=None, meta_state_dict=None, "
        "reverse=False)",
    ),
    Hook(
        "transformers.integrations.sdpa_attention",
        "sdpa_attention_forward",
        "(module, query, key, value, attention_mask, dropout=0.0, scaling=None, is_causal=None, position_bias=None, "
        "**kwargs)",
    ),
    Hook(
        "transformers.integrations.flash_attention",
        "flash_attention_forward",
        "(module, query, key, value, attention_mask, dropout=0.0, scaling=None, sliding_window=None, softcap=None, "
        "is_causal=None, s_aux=None, **kwargs)",
    ),
    # PEFT
    Hook("peft.tuners.lora", "LoraLayer.lora_bias", "self.lora_bias: dict[str, bool] = {}"),
    Hook("peft.tuners.lora", "LoraLayer.lora_variant", "self.lora_variant: dict[str, LoraVariant] = {}"),
    Hook("peft.tuners.lora", "LoraLayer.scaling", "self.scaling = {}"),
    Hook("peft.tuners.lora", "Linear.merge", "(self, safe_merge=False, adapter_names=None)"),
    Hook("peft.tuners.tuners_utils", "BaseTunerLayer.get_base_layer", "(self)"),
    Hook(
        "peft.utils.other",
        "AuxiliaryTrainingWrapper.unload_and_optionally_merge_module",
        "(self, merge, safe_merge, adapter_names)",
    ),
    # accelerate
    Hook("accelerate", "init_empty_weights", "(include_buffers=None)"),
    # trackio
    Hook("trackio.run", "Run._next_step", "self._next_step = 0 if max_step is None else max_step + 1"),
    # vLLM
    Hook("vllm.entrypoints.cli.main", "main", "()"),
]


def object_and_owner(hook: Hook) -> tuple[Any, Any]:
    """The object that a hook names, and its owner; the object is None where only instances have it.

    Raises:
        AttributeError: the owner is gone.
    """
    owner: Any = importlib.import_module(hook.module)
    *path, last = hook.name.split(".")
    for name in path:
        owner = getattr(owner, name)
    return inspect.getattr_static(owner, last, None), owner


def shown(function: Any) -> str:
    """A function's signature without annotations, which depend on how a library imports them."""
    signature = inspect.signature(getattr(function, "__func__", function))
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


@cache
def source_of(definition: Any) -> str:
    """The source of a function or a class of a module.

    `inspect.getsource` takes half a second per class, since it parses the module. Here a class ends at the next line
    that is not indented.
    """
    if inspect.isfunction(definition):
        return inspect.getsource(definition)
    text = module_text(str(inspect.getsourcefile(definition)))
    match = re.search(rf"^class {definition.__name__}\b.*?(?=^[@A-Za-z_]|\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"{definition} has no source"
    return match[0]


@cache
def module_text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


def is_signature(hook: Hook) -> bool:
    return hook.pinned.startswith("(")


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: f"{hook.module}.{hook.name}")
def test_a_hook_is_unchanged(hook: Hook) -> None:
    if hook.module.startswith("vllm.") and not find_spec("vllm"):
        pytest.skip("vLLM is not installed")
    name = f"{hook.module}.{hook.name}"
    named, owner = object_and_owner(hook)
    if is_signature(hook):
        assert callable(getattr(named, "__func__", named)), f"{name} is gone: see its uses in {PACKAGE.name}/"
        assert shown(named) == hook.pinned, f"{name} takes other arguments: see its uses in {PACKAGE.name}/"
    else:
        source = source_of(named if callable(named) else owner)
        assert hook.pinned in source, f"{name} has changed: see its uses in {PACKAGE.name}/"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax trees of the package's modules, by module name."""
    files = {path.relative_to(SCRIPTS).with_suffix(""): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {".".join(name.parts): ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}


def own_names(modules: dict[str, ast.Module]) -> set[str]:
    """Private names that the package gives: functions, classes, fields, variables, and attributes of ``self``."""
    names = set()
    for node in (node for tree in modules.values() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            names.add(node.attr)
    return {name for name in names if is_private(name)}


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def names_of_others(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and private names that are looked up in objects other than ``self``, imported, or written as texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not is_self(node.value) and not is_super(node.value):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            for part in (*(node.module or "").split("."), *(alias.name for alias in node.names)):
                yield node.lineno, part
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"_[a-z]\w*", node.value):
            yield node.lineno, node.value  # getattr(object, "_name"), vars(object)["_name"]


def names_of_class(tree: ast.ClassDef) -> set[str]:
    """Private names that a class gives itself, or looks up in itself or its bases."""
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and (is_self(node.value) or is_super(node.value))
    }
    return {name for name in defined | used if is_private(name)}


def library_bases(kind: type) -> list[type]:
    homes = ("trl", "transformers", "peft", "accelerate", "vllm", "torch", "datasets")
    return [base for base in kind.__mro__ if base.__module__.partition(".")[0] in homes]


def knows(base: type, name: str) -> bool:
    """Whether a class's own source defines a name or uses it as an attribute of its instances."""
    return bool(re.search(rf"\b(?:def {name}|self\.{name})\b|^    {name}\b *[:=]", source_of(base), re.MULTILINE))


def test_the_table_has_every_private_name_of_other_objects() -> None:
    modules = trees()
    known = {hook.name.rpartition(".")[2] for hook in HOOKS} | OTHERS | own_names(modules)
    missing = [
        f"{module}:{line} {name}"
        for module, tree in modules.items()
        for line, name in names_of_others(tree)
        if is_private(name) and name not in known
    ]
    assert not missing, "not in HOOKS"


def test_the_table_has_every_private_name_of_a_librarys_class() -> None:
    """Names that a subclass overrides, calls or reads, for each base that has them."""
    missing: list[str] = []
    seen: set[str] = set()
    for module, tree in trees().items():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.bases]
        if not classes or module in NOT_IMPORTED:
            continue
        for node in classes:
            kind = getattr(importlib.import_module(module), node.name)
            bases = library_bases(kind)
            for name in names_of_class(node):
                if not any(knows(base, name) for base in bases):
                    continue  # our own
                hooks = [
                    hook for hook in HOOKS if hook.name.endswith(f".{name}") and object_and_owner(hook)[1] in bases
                ]
                seen.update(hook.name for hook in hooks)
                missing += [] if hooks else [f"{module}.{node.name}.{name}"]
    assert not missing, "not in HOOKS"
    assert {"GRPOTrainer._buffered_inputs", "SFTTrainer._get_train_sampler", "Trainer._load_from_checkpoint"} <= seen


def test_every_name_of_the_table_is_used() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    indirect = {"DynamicLayer", "sdpa_attention_forward", "flash_attention_forward", "add_fused_lm_head", "main"}
    for hook in HOOKS:
        last = [part for part in hook.name.split(".") if part != "__init__"][-1]
        assert last in indirect or re.search(rf"\b{last}\b", text), f"nothing uses {hook.module}.{hook.name}"


def test_a_changed_hook_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = importlib.import_module(TRAINER).GRPOTrainer
    hook = next(hook for hook in HOOKS if hook.name == "GRPOTrainer._calculate_rewards")
    monkeypatch.setattr(trainer, "_calculate_rewards", lambda self, inputs: None)
    with pytest.raises(AssertionError, match=r"GRPOTrainer\._calculate_rewards takes other arguments"):
        test_a_hook_is_unchanged(hook)
    monkeypatch.delattr(trainer, "_calculate_rewards")
    with pytest.raises(AssertionError, match=r"GRPOTrainer\._calculate_rewards is gone"):
        test_a_hook_is_unchanged(hook)
