"""Configuration files as they are on disk, and the command that checks them."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from places import REPO, SCRIPTS

from reinforced_cot.config.yaml_files import read_yaml, refuse_files, repeated_keys
from reinforced_cot.errors import ConfigError


def test_repeated_keys_are_named_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "seed: 1\npolicies:\n  grpo: {examples: 1, lora: &a {r: 1}, examples: 2}\n  gspo: {lora: *a}\nseed: 2\n"
    )
    assert sorted(repeated_keys(path)) == [
        f"{path}, line 3: `policies.grpo.examples` stands in line 3 as well; keep one",
        f"{path}, line 5: `seed` stands in line 1 as well; keep one",
    ]


@pytest.mark.parametrize("text", ["", "a: [", "- {a: 1}\n- {a: 2}\n", "a: {<<: {b: 1}, c: 1}\n"])
def test_what_has_none_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert list(repeated_keys(tmp_path / "a.yaml")) == []
    assert list(repeated_keys(tmp_path / "absent.yaml")) == []


@pytest.mark.parametrize("path", sorted((REPO / "config").rglob("*.yaml")), ids=lambda path: path.stem)
def test_our_own_files_have_none(path: Path) -> None:
    assert list(repeated_keys(path)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nimage: {min_pixels: 1\nprompt: {}\n", "{path}, line 3, column 7: not valid YAML: "),
        ("seed: 1\n\tseeds: []\n", "{path}, line 2, column 1: not valid YAML: "),
        ("a: b: c\n", "{path}, line 1, column 5: not valid YAML: mapping values are not allowed"),
        ("- 1\n", "{path} must hold a mapping of keys to values"),
        ("policies: &a {x: [1, *a]}", "{path}: `policies.x.1` is an alias of a mapping or list that holds it"),
        ("", "{path} must hold a mapping of keys to values"),
    ],
)
def test_broken_yaml_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(message.format(path=path))


def test_text_that_is_not_utf_8_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: \xe9".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin.yaml is not UTF-8 text"):
        read_yaml(path)
    with pytest.raises(ConfigError, match=r"absent.yaml does not exist"):
        refuse_files([tmp_path / "absent.yaml"])


def test_make_config_says_what_is_probably_a_mistake_and_still_prints(tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("extends: demo\npolicies:\n  gspo: {training: {epsilon: 0.2}}\n")
    command = [sys.executable, str(SCRIPTS / "config.py"), str(preset)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPO)
    assert "warning: `policies.gspo.training.epsilon` is 0.2" in done.stderr
    assert yaml.safe_load(done.stdout)["policies"]["gspo"]["training"]["epsilon"] == 0.2


def test_a_file_that_is_no_configuration_is_named(tmp_path: Path) -> None:
    path = tmp_path / "adapter.json"
    path.write_text('{"base": "base", "sha256": {}}')
    with pytest.raises(ConfigError, match=r"adapter.json has no key of the configuration. .*targets stand before it"):
        refuse_files([path])
