"""What a configuration file builds on, and where each value comes from."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import REPO

from reinforced_cot.config.composition import checked, compose, shared_results, whole
from reinforced_cot.config.effective import effective_text, origin
from reinforced_cot.errors import ConfigError

RATE = ("policies", "grpo", "training", "learning_rate")
DAPO = REPO / "config/presets/dapo.yaml"
SAMPLE = REPO / "config/presets/gqa-cot-sample.yaml"
FULL_SIZE = REPO / "config/presets/qwen2.5-vl-3b-gqa.yaml"
COMPLETE = {
    "report": ["base", "sft"],
    "data": {"source": "digits", "splits": {split: {"size": 8} for split in ("train", "val", "test")}},
    "policies": {
        "sft": {"method": "sft", "from": "base", "lora": {"target_modules": ["q_proj"]}, "training": {"max_steps": 3}}
    },
}


def write(folder: Path, name: str, **content: Any) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def at(config: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        config = config[key]
    return config


def test_a_preset_is_merged_over_what_it_extends(tmp_path: Path) -> None:
    policies = {"grpo": {"training": {"learning_rate": 1.0e-6}}}
    composition = compose([write(tmp_path, "mine", extends="full-size", policies=policies)])
    assert at(composition.config, RATE) == 1.0e-6
    full_size = compose([FULL_SIZE]).config
    assert composition.config["data"] == full_size["data"] and "extends" not in composition.config
    assert origin(RATE, composition) == str(tmp_path / "mine.yaml")
    assert origin((*RATE[:-1], "epsilon"), composition) == "config/presets/qwen2.5-vl-3b-gqa.yaml"
    assert composition.files == (FULL_SIZE, tmp_path / "mine.yaml")


def test_parents_have_parents_and_are_named_by_name_alias_or_path(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    write(tmp_path, "first", extends="demo", seed=5, answer={"samples": 1})
    write(tmp_path / "below", "second", extends="../first.yaml", answer={"probes": 7})
    composition = compose([write(tmp_path / "below", "third", extends="second", seed=9)])
    assert [composition.config["seed"], composition.config["answer"]["samples"]] == [9, 1]
    assert composition.config["answer"]["probes"] == 7
    assert [file.name for file in composition.files] == ["config.yaml", "first.yaml", "second.yaml", "third.yaml"]
    by_name = compose([write(tmp_path, "x", extends="qwen2.5-vl-3b-gqa")])
    assert by_name.config == compose([write(tmp_path, "y", extends="full-size")]).config
    above_an_add_on = compose([write(tmp_path, "z", extends="dapo")]).config
    assert above_an_add_on == compose([DAPO]).config


def test_pathvars_are_never_inherited(tmp_path: Path) -> None:
    child = compose([write(tmp_path, "child", extends="gqa-cot-sample")])
    assert "pathvars" not in child.config
    assert [line.split("`")[1] for line in shared_results(child)] == ["pathvars.results"]
    for quiet in ([], [SAMPLE], [DAPO], [SAMPLE, DAPO]):
        assert shared_results(compose(quiet)) == []
    assert compose([SAMPLE, DAPO]).config["pathvars"] == {"results": "results/gqa-cot-sample"}


def test_a_split_of_another_source_inherits_nothing(tmp_path: Path) -> None:
    splits = {"train": {"file": "t.csv"}, "test": [{"source": "table", "file": "x.csv"}]}
    table = write(tmp_path, "table", extends="demo", data={"source": "table", "splits": splits})
    composed = compose([table])
    assert composed.config["data"]["splits"] == {**splits, "val": {"size": 200}}
    assert ("data", "splits", "train", "size") not in composed.origins
    named = write(tmp_path, "named", extends="demo", data={"splits": {"train": {"source": "table", "file": "t.csv"}}})
    assert compose([named]).config["data"]["splits"]["train"] == {"source": "table", "file": "t.csv"}
    same = write(tmp_path, "same", extends="table", data={"splits": {"train": {"part": [0, 0.5]}}})
    assert compose([same]).config["data"]["splits"]["train"] == {"file": "t.csv", "part": [0, 0.5]}
    digits = write(tmp_path, "digits", extends="demo", data={"splits": {"train": {"size": 9}}})
    assert compose([digits]).config["data"]["splits"]["train"] == {"size": 9}


def test_an_add_on_applies_to_the_demo_and_to_any_preset() -> None:
    demo, dapo = compose([]), compose([DAPO])
    assert dapo.config["policies"]["grpo"] == demo.config["policies"]["grpo"]
    for preset in (SAMPLE, FULL_SIZE):
        below, both = compose([preset]), compose([preset, DAPO])
        assert both.config["policies"].keys() == below.config["policies"].keys() | {"dapo"}
        assert both.config["data"] == below.config["data"]
        assert both.config["report"] == dapo.config["report"]


@pytest.mark.parametrize("key", ["data", "base_model", "policies"])
def test_a_file_that_extends_nothing_inherits_nothing(tmp_path: Path, key: str) -> None:
    content = {"data": COMPLETE["data"], "base_model": {"path": "x"}, "policies": COMPLETE["policies"]}[key]
    composition = compose([write(tmp_path, "mine", **{key: content})])
    assert composition.config == {key: content}
    with pytest.raises(ConfigError, match=r"is missing[\s\S]*mine.yaml has no `extends`, so it inherits nothing"):
        checked(composition)


def test_a_complete_file_needs_no_parent(tmp_path: Path) -> None:
    config = checked(compose([write(tmp_path, "mine", **COMPLETE)]))
    assert config.policies["sft"].training == {"max_steps": 3}
    assert config.answer.samples == 0  # the default, not the demo's 4


def test_values_of_the_command_line_come_last_and_may_say_what_they_extend() -> None:
    composition = compose([SAMPLE, DAPO], {"seed": 7, "image": {"max_pixels": 50176}})
    assert composition.config["seed"] == 7 and composition.config["image"]["min_pixels"] == 784
    assert origin(("seed",), composition) == "--config"
    full_size = compose([DAPO], {"extends": "full-size", "seed": 3})
    assert full_size.config["data"] == compose([FULL_SIZE]).config["data"]
    assert "dapo" in full_size.config["policies"] and "extends" not in full_size.config


def refusal(*files: Path, **command_line: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        compose(files, command_line)
    return str(caught.value)


def test_what_cannot_be_composed_is_refused(tmp_path: Path) -> None:
    mine = write(tmp_path, "mine", extends="demo")
    assert re.search(r"mine.yaml extends demo, and .*gqa-cot-sample.yaml extends demo: only one", refusal(mine, SAMPLE))
    assert re.search(r"--config extends demo: only one file", refusal(mine, extends="demo"))
    assert re.search(r"mine.yaml extends demo, and .*3b-gqa.yaml stands before it. Put", refusal(FULL_SIZE, mine))
    assert "which is no preset; did you mean full-size?" in refusal(write(tmp_path, "a", extends="fullsize"))
    assert "which is no preset; there are demo, full-size, " in refusal(write(tmp_path, "a", extends="zzz"))
    assert f"there is no file {tmp_path}/no.yaml" in refusal(write(tmp_path, "a", extends="no.yaml"))
    for odd in (3, ["demo"], True):
        assert f"`extends` is {odd}; it must be" in refusal(write(tmp_path, "a", extends=odd))
    assert "leads back to" in refusal(write(tmp_path, "a", extends="a"))
    write(tmp_path, "b", extends="c")
    assert "leads back to" in refusal(write(tmp_path, "c", extends="b"))
    (tmp_path / "broken.yaml").write_text("seed: [1\n")
    assert "broken.yaml, line 2" in refusal(write(tmp_path, "a", extends="broken"))
    (tmp_path / "twice.yaml").write_text("extends: demo\nseed: 1\nseed: 2\n")
    assert "twice.yaml, line 3: `seed`" in refusal(write(tmp_path, "a", extends="twice"))


def test_a_modules_configuration_is_whole() -> None:
    assert whole(COMPLETE).config == COMPLETE
    assert checked(whole(COMPLETE)).answer.samples == 0
    with pytest.raises(ConfigError, match="a module's `config` is whole"):
        whole({"extends": "demo"})


def test_the_effective_text_means_the_same_and_names_every_origin(tmp_path: Path) -> None:
    prompt = {"system": "Zwei\nZeilen: # ja", "instruction": "yes"}
    composition = compose([write(tmp_path, "mine", extends="demo", prompt=prompt), DAPO], {"seed": 4})
    config = checked(composition)
    text = effective_text(config, composition)
    assert checked(compose([write(tmp_path, "again", **yaml.safe_load(text))])) == config
    origins = {line.rpartition("  # ")[2] for line in text.splitlines() if "  # " in line}
    demo, mine, dapo = "config/config.yaml", str(tmp_path / "mine.yaml"), "config/presets/dapo.yaml"
    assert origins == {demo, mine, dapo, "--config", "default", f"{demo}, like grpo"}
    section = text[text.index("  dapo:\n") :]
    assert re.search(r"learning_rate: 0.005 +# config/config.yaml, like grpo\n", section)
    assert re.search(r"loss_type: dapo +# config/presets/dapo.yaml\n", section)
