"""Schema, reference and installed libraries agree on what a configuration may say: they are made from the sections."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_samples import GRPO, changed, problems
from jsonschema import Draft202012Validator
from places import REPO
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from reinforced_cot.planning.batch_sizes import generation_batch_size
from reinforced_cot.policies.grpo import GrpoPolicy
from reinforced_cot.scoring.rewards import REWARDS

sys.path.append(str(REPO / "workflow" / "schemas"))

import generate

AGAIN = "run: python workflow/schemas/generate.py"


def validator() -> Any:
    fields = generate.trl_fields.generate()
    registry = Registry().with_resource("trl_fields.json", DRAFT202012.create_resource(fields))
    return Draft202012Validator(generate.config_schema(), registry=registry)


def test_trl_fields_are_those_of_the_installed_versions() -> None:
    generated = generate.as_text(generate.trl_fields.generate())
    assert generate.FIELDS.read_text(encoding="utf-8") == generated, AGAIN


def test_the_editors_schema_is_that_of_the_sections() -> None:
    assert generate.SCHEMA.read_text(encoding="utf-8") == generate.as_text(generate.config_schema()), AGAIN


def test_the_tables_of_the_reference_are_those_of_the_sections() -> None:
    text = generate.REFERENCE.read_text(encoding="utf-8")
    assert generate.reference(text) == text, AGAIN


def test_every_key_has_a_meaning() -> None:
    for name, table in generate.tables().items():
        for row in table.splitlines():
            meaning = row.split("|")[-2].strip()
            assert len(meaning) > 10 and meaning.endswith((".", "!")), (name, row)


@pytest.mark.parametrize(
    "path",
    [*sorted((REPO / "config").glob("*.yaml")), *sorted((REPO / "config/presets").glob("*.yaml"))],
    ids=lambda path: path.stem,
)
def test_editors_take_our_own_files(path: Path) -> None:
    assert [error.message for error in validator().iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize(
    "content",
    [
        {"sed": 1},
        {"rewards": {"formt": 1}},
        {"policies": {"a": {"metod": "sft"}}},
        {"policies": {"a": {"method": "dpo"}}},
        {"policies": {"a": {"training": {"learning_rat": 1}}}},
        {"launch": {"grpo": {"gpus": 1}}},
        {"answer": {"batch_size": 0}},
        {"image": {"min_pixels": "784"}},
    ],
)
def test_editors_mark_a_mistake(content: dict[str, Any]) -> None:
    assert list(validator().iter_errors(content))


def test_the_schema_is_closed_everywhere() -> None:
    schema = generate.config_schema()
    Draft202012Validator.check_schema(schema)
    stack: list[Any] = [schema]
    while stack:
        entry = stack.pop()
        if isinstance(entry, dict):
            if isinstance(entry.get("properties"), dict) and not isinstance(entry["properties"].get("type"), str):
                assert entry.get("additionalProperties") is False, entry
            stack += entry.values()
    assert schema["properties"]["rewards"]["anyOf"][1]["properties"].keys() == REWARDS.keys()


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
        found = problems(changed({GRPO: training, "report": ["base", "sft", "grpo"]}))
        try:
            trl = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", **fields)
        except ValueError:
            assert found, fields
        else:
            assert not found, (fields, found)
            policy = GrpoPolicy.model_validate({"method": "grpo", "from": "sft", "lora": None})
            drawn = generation_batch_size(policy, {**UNSET, **fields}, processes=1)
            assert trl.generation_batch_size == drawn
