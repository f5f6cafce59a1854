"""A key that stands twice in a configuration file is refused: the later one would win in silence."""

from pathlib import Path

import pytest
from places import REPO

from reinforced_cot.config.repeated_keys import repeated_keys


def test_repeated_keys_are_named_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("seed: 1\nrl:\n  grpo: {examples: 1, lora: &a {r: 1}, examples: 2}\n  gspo: {lora: *a}\nseed: 2\n")
    assert sorted(repeated_keys(path)) == [
        f"{path}, line 3: `rl.grpo.examples` stands in line 3 as well; keep one",
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
