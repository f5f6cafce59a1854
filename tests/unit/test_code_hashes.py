"""A stage's code is hashed by meaning, module by module, however the script imports it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reinforced_cot import code_hashes as closure_module
from reinforced_cot.code_hashes import code_hashes, module_hashes
from reinforced_cot.paths import SCRIPTS

STAGE = '''"""A stage."""

import json
import pack.direct
from pack import listed
from torch import nn


def main():
    """Run."""
    from pack.lazy import work

    work()


class Worker:
    """Works."""
    import pack.nested
'''
FILES = {
    "stage.py": STAGE,
    "pack/__init__.py": "",
    "pack/direct.py": "import pack.indirect\n",
    "pack/indirect.py": "from pack import direct\n",  # a cycle ends
    "pack/listed.py": "X = 1\n",
    "pack/lazy.py": "def work():\n    return 1\n",
    "pack/nested.py": "",
    "pack/unused.py": "",
    "rewards_of_mine.py": "import pack.unused\n",
}
CLOSURE = ["pack.direct", "pack.indirect", "pack.lazy", "pack.listed", "pack.nested", "stage"]


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of scripts in place of the repository's."""
    monkeypatch.setattr(closure_module, "SCRIPTS", tmp_path)
    for name, text in FILES.items():
        rewrite(tmp_path / name, text)
    yield tmp_path
    forget()


def forget() -> None:
    closure_module._read.cache_clear()
    closure_module._module_path.cache_clear()


def rewrite(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    forget()  # files do not change while Snakemake runs


def test_the_closure_holds_lazy_imports_and_no_foreign_module(scripts: Path) -> None:
    assert list(code_hashes(scripts / "stage.py")) == CLOSURE


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("stage.py", "    work()", "    work()  # a comment"),
        ("stage.py", '"""A stage."""', '"""Another text, on\n\nthree lines."""'),
        ("stage.py", '    """Run."""\n', ""),
        ("stage.py", '    """Works."""\n', '    """Works well."""\n'),
        ("stage.py", "    work()", "\n\n    work( )\n"),
        ("pack/listed.py", "X = 1", "# why\nX = 1"),
        ("pack/lazy.py", "def work():\n", 'def work():\n    """New."""\n'),
        ("pack/unused.py", "", "X = 2\n"),
    ],
)
def test_what_means_the_same_has_the_same_hash(scripts: Path, name: str, before: str, after: str) -> None:
    old = code_hashes(scripts / "stage.py")
    assert before in FILES[name]
    rewrite(scripts / name, FILES[name].replace(before, after) if before else after)
    assert code_hashes(scripts / "stage.py") == old


@pytest.mark.parametrize(
    ("name", "before", "after", "module"),
    [
        ("stage.py", "    work()", "    work(2)", "stage"),
        ("pack/lazy.py", "return 1", "return 2", "pack.lazy"),
        ("pack/listed.py", "X = 1", "X = 1.0", "pack.listed"),
        ("pack/listed.py", "X = 1", "Y = 1", "pack.listed"),
        ("pack/indirect.py", "import direct", "import direct\nX = 'text'", "pack.indirect"),
    ],
)
def test_a_change_shows_in_its_module_alone(scripts: Path, name: str, before: str, after: str, module: str) -> None:
    old = code_hashes(scripts / "stage.py")
    rewrite(scripts / name, FILES[name].replace(before, after))
    new = code_hashes(scripts / "stage.py")
    assert [name for name in new if new[name] != old[name]] == [module]


def test_a_users_own_modules_are_hashed_with_what_they_import_beside_them(scripts: Path) -> None:
    hashes = module_hashes(["rewards_of_mine"], scripts)
    assert list(hashes) == ["pack.unused", "rewards_of_mine"]
    rewrite(scripts / "pack/unused.py", "X = 3\n")
    changed = module_hashes(["rewards_of_mine"], scripts)
    assert [name for name in hashes if hashes[name] != changed[name]] == ["pack.unused"]
    assert module_hashes(["absent"], scripts) == {}


def closure(script: str) -> set[str]:
    forget()
    return {name.removeprefix("reinforced_cot.") for name in code_hashes(SCRIPTS / script)}


def test_closures_of_the_stages() -> None:
    scripts = [path.stem for path in SCRIPTS.glob("*.py")]
    closures = {stem: closure(f"{stem}.py") - {stem} for stem in scripts}
    assert {stem for stem in scripts if "rewards" in closures[stem]} == {"train_grpo"}
    assert {stem for stem in scripts if "report" in closures[stem]} == {"write_report"}
    assert {stem for stem in scripts if "prompts" in closures[stem]} == {
        "train_sft",
        "train_grpo",
        "merge_lora",
        "answer_questions",
    }
    answers = {stem for stem in scripts if "answers" in closures[stem]}
    scoring = {"score", "compare_policies"}
    # SFT chooses its checkpoint by it; the merge of an adapter of a quantized base is measured by it.
    assert answers == {"train_sft", "train_grpo", "merge_lora"} | scoring
    for module in ("statistics", "scores", "probes"):
        assert {stem for stem in scripts if module in closures[stem]} <= scoring  # what is counted trains nothing
    assert {stem for stem in scripts if "pretraining" in closures[stem]} == {"build_base"}
    assert "digit_scenes" in closures["prepare_data"] and "gqa_cot" in closures["prepare_data"]
    assert closures["check_data"] == {"data_checks", "errors", "examples", "files", "gqa_metrics", "seeds"}
    # What the answers are worth, and how the work is spread, is no reason to ask again.
    assert not {"answers", "consistency", "parsing"} & closures["answer_questions"]
