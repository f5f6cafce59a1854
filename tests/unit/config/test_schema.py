"""Schema, README and the installed libraries agree on what a configuration may say."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_samples import changed, minimal, problems
from jsonschema import Draft202012Validator
from places import REPO

from reinforced_cot.config.validation import validated
from reinforced_cot.planning.batch_sizes import generation_batch_size
from reinforced_cot.scoring.rewards import REWARDS

SCHEMAS = REPO / "workflow" / "schemas"
GRPO = "rl.grpo.training"


def schema() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((SCHEMAS / "config.schema.yaml").read_text(encoding="utf-8"))
    return content


def resolved(entry: dict[str, Any]) -> dict[str, Any]:
    """``entry`` with references within the file replaced; those to trl_fields.json stay."""
    if not entry.get("$ref", "").startswith("#/"):
        return entry
    target = schema()["$defs"][entry["$ref"].removeprefix("#/$defs/")]
    return {**resolved(target), **{key: value for key, value in entry.items() if key != "$ref"}}


def documented_keys(entry: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Each key that the README must have, with the text of its default."""
    for name, child in entry["properties"].items():
        child, here = resolved(child), (*path, name)
        policy = child.get("additionalProperties")
        if isinstance(policy, dict):
            child, here = resolved(policy), (*here, "<policy>")
        if "properties" in child and child.get("default", {}) is not None:
            yield from documented_keys(child, here)
            continue
        key = re.sub(r"^data\.splits\.\w+", "data.splits.<split>", ".".join(here))
        key = re.sub(r"^launch\.\w+", "launch.<stage>", key)
        needed = name in entry.get("required", ()) or "default" not in child
        yield key, "required" if needed else f"`{json.dumps(child['default'])}`"


def test_readme_documents_every_key_with_its_default() -> None:
    readme = (REPO / "config" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", readme, flags=re.MULTILINE)
    assert sorted(rows) == sorted(set(documented_keys(schema())))


def test_schema_is_a_schema_and_closed_everywhere() -> None:
    Draft202012Validator.check_schema(schema())
    stack: list[Any] = [schema()]
    while stack:
        entry = stack.pop()
        if isinstance(entry, dict):
            if "properties" in entry and not isinstance(entry["properties"].get("type"), str):
                assert entry.get("additionalProperties") is False, entry
            stack += entry.values()


def test_schema_has_the_rewards_there_are() -> None:
    assert schema()["$defs"]["rewards"]["properties"].keys() == REWARDS.keys()


def test_tiny_defaults_are_those_of_the_code() -> None:
    from reinforced_cot.models.tiny_model import ModelSizes
    from reinforced_cot.models.tiny_pretraining import PretrainingSettings

    defaults = validated(minimal())["base_model"]["tiny"]
    sizes = dataclasses.asdict(ModelSizes())
    assert defaults["architecture"] == {name: sizes[name] for name in defaults["architecture"]}
    steps = {
        key: value
        for key, value in defaults["pretraining"].items()
        if key not in ("scenes", "questions_per_scene", "shortcut_share")
    }
    assert steps == dataclasses.asdict(PretrainingSettings())


def test_trl_fields_are_those_of_the_installed_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCHEMAS))
    import generate_trl_fields

    generated = generate_trl_fields.as_text(generate_trl_fields.generate())
    written = generate_trl_fields.OUTPUT.read_text(encoding="utf-8")
    assert written == generated, "run: python workflow/schemas/generate_trl_fields.py"


BATCHES: list[dict[str, Any]] = [
    {
        "per_device_train_batch_size": batch,
        "num_generations": group,
        "gradient_accumulation_steps": accumulated,
        **extra,
    }
    for batch in (6, 8)
    for group in (3, 4)
    for accumulated in (1, 2)
    for extra in ({}, {"steps_per_generation": 4}, {"generation_batch_size": 24}, {"generation_batch_size": 20})
]


UNSET = {"steps_per_generation": None, "generation_batch_size": None}


def test_batches_are_refused_exactly_where_trl_refuses_them(tmp_path: Path) -> None:
    from trl.trainer.grpo_config import GRPOConfig

    for fields in BATCHES:
        training = {**fields, "num_iterations": 1, "save_steps": 60, "loss_type": "grpo"}
        found = problems(changed({GRPO: training, "policies": ["grpo"]}))
        try:
            trl = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", **fields)
        except ValueError:
            assert found, fields
        else:
            assert not found, (fields, found)
            drawn = generation_batch_size({"global_batch_size": None}, {**UNSET, **fields}, processes=1)
            assert trl.generation_batch_size == drawn
