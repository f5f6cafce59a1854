"""Odd values at every key: each is taken or refused with lines that name a key; nothing ends in another error."""

import copy
import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from config_samples import minimal
from places import REPO

from reinforced_cot.config.composition import compose
from reinforced_cot.config.effective import effective_text
from reinforced_cot.config.validation import validated
from reinforced_cot.errors import ConfigError

ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), 2**70, "", "x", "1e-4", [], [1], ["x"], [[]], {}),
    *({"x": 1}, {"word": 1}, {"weights": {}}, {3: 4}, {None: 1}, {"a": float("nan")}),
    *(datetime.date(2020, 1, 2), {datetime.date(2020, 1, 2): 1}),
]


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key, of sections and of values."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*path, key)
            yield from places(value, (*path, key))


def default() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPO / "config/config.yaml").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: f"{type(odd).__name__} {odd}"[:30])
def test_an_odd_value_is_taken_or_refused_by_its_key(odd: Any) -> None:
    content = default()
    for path in places(content):
        changed = copy.deepcopy(content)
        section = changed
        for part in path[:-1]:
            section = section[part]
        section[path[-1]] = copy.deepcopy(odd)
        try:
            validated(changed)
        except ConfigError as error:
            for line in str(error).splitlines():
                assert "`" in line and not line.rstrip().endswith("it must be"), (path, odd, line)


@pytest.mark.parametrize("key", [3, None, 1.5, True, "", "word", "weights", datetime.date(2020, 1, 2)])
def test_an_odd_key_is_refused(key: Any) -> None:
    content = default()
    for path in [(), *places(content)]:
        changed = copy.deepcopy(content)
        section = changed
        for part in path:
            section = section[part]
        if isinstance(section, dict):
            section[key] = 1
            with pytest.raises(ConfigError):
                validated(changed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policies": {3: {"like": "grpo"}}}, "`policies.3`: write the name in quotes"),
        ({"policies": {"x": {"method": ["sft"]}}}, "`policies.x.method` is "),
        ({"policies": {"x": {"like": 3}}}, "`policies.x.like` is 3; it must be the name of another policy"),
        ({"base_model": {"tiny": {"pretraining": {"scene": 3}}}}, "did you mean `scenes`?"),
        ({"policies": {"sft": {"training": {"lr_scheduler_kwargs": {"a": float("nan")}}}}}, "holds NaN or infinity"),
        ({"policies": {"grpo": {"training": {"scale_rewards": 1}}}}, "`policies.grpo.training.scale_rewards` is 1; "),
        ({"report": [1]}, "`report[0]` is 1; it must be text"),
        ({"data": {3: 4}}, "a key must be text; write it in quotes"),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], message: str) -> None:
    from snakemake.utils import update_config

    config = minimal()
    update_config(config, changes)
    with pytest.raises(ConfigError) as caught:
        validated(config)
    assert message in str(caught.value)


def test_a_problem_of_one_policy_hides_none_of_another() -> None:
    config = minimal()
    config["policies"]["x"] = {"method": "sft", "from": "nowhere", "lora": config["policies"]["sft"]["lora"]}
    config["policies"]["grpo"]["training"]["top_p"] = 0.5
    with pytest.raises(ConfigError) as caught:
        validated(config)
    keys = [line.split("`")[1] for line in str(caught.value).splitlines()]
    assert keys == ["policies.x.from", "policies.grpo.training.top_p"]


@pytest.mark.parametrize("preset", sorted((REPO / "config/presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_make_config_prints_is_taken_and_means_the_same(preset: Any) -> None:
    composition = compose([preset])
    if composition.config["base_model"].get("path"):
        composition.config["base_model"]["revision"] = "0" * 40
    found = validated(composition.config)
    assert validated(yaml.safe_load(effective_text(found, composition))) == found
