"""Every configuration that a page shows is one that a run accepts."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import Block, blocks
from places import REPO

from reinforced_cot.config.composition import checked, compose
from reinforced_cot.errors import ConfigError

# tests/workflow/test_extending.py takes these, with the change of the code that stands above each.
SHOWN = [block for block in blocks("yaml", "yml") if block.page != "docs/extending.md"]
FILES = ("html", "json", "log", "py")  # ends of files whose names look like keys
# A user's own functions, which configurations name.
OWN = {
    "my_rewards.py": "def polite(completions, **columns): ...\n",
    "my_chains.py": "def describe(record): ...\n",
    "my_data.py": "def record(row): ...\n",
}


def check(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a file as a preset; what names nothing that it builds on is laid over the demo.

    Raises:
        ConfigError: it is refused.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GRADER_KEY", "a key")
    for name, code in OWN.items():
        Path(name).write_text(code, encoding="utf-8")
    content: dict[str, Any] = {"extends": "demo", **yaml.safe_load(text)}
    Path("shown.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    checked(compose([Path("shown.yaml")]))


@pytest.mark.parametrize("block", SHOWN, ids=str)
def test_a_run_accepts_it(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(block.text, tmp_path, monkeypatch)


def test_a_wrong_key_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"unknown key `rewards\.formt`"):
        check("rewards: {formt: 0.5}", tmp_path, monkeypatch)


def test_settings_in_sentences_are_known() -> None:
    """Dotted keys between backticks, such as `base_model.tiny.pretraining`, are keys of the reference."""
    reference = (REPO / "docs/configuration.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `([^`]+)` \|", reference, re.MULTILINE))
    parts = {tuple(key.split(".")[:n]) for key in known for n in range(1, len(key.split(".")) + 1)}
    tops = {part[0] for part in parts if len(part) == 1}
    unknown = []
    for page in {*(REPO / "docs").glob("*.md")} - {REPO / "docs/extending.md"}:  # which adds keys
        for code in re.findall(r"`([a-z_]+(?:\.[\w<>]+)+)`", page.read_text(encoding="utf-8")):
            path = tuple(code.split("."))
            if path[0] in tops and path[-1] not in FILES and not fits(path, parts):
                unknown.append((page.name, code))
    assert not unknown


def fits(path: tuple[str, ...], parts: set[tuple[str, ...]]) -> bool:
    """Whether a path is one of the reference's; a name of the user's own stands for any, and so do TRL's fields."""
    is_trl = path[0] == "policies" and path[2:3] in (("training",), ("lora",))
    return is_trl or any(
        len(known) == len(path)
        and all(one == other or one.startswith("<") for one, other in zip(known, path, strict=True))
        for known in parts
    )
