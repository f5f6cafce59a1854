"""A stage's code is hashed by meaning, module by module, however the script imports it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from reinforced_cot import code_hashes as code_hashes_module
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

    size: int = 1
    """How large."""
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
    monkeypatch.setattr(code_hashes_module, "SCRIPTS", tmp_path)
    for name, text in FILES.items():
        rewrite(tmp_path / name, text)
    yield tmp_path
    forget()


def forget() -> None:
    code_hashes_module._read.cache_clear()
    code_hashes_module._module_path.cache_clear()


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
        ("stage.py", '    """How large."""\n', ""),
        ("stage.py", '"""How large."""', "'How large, in pixels.'"),
        ("stage.py", "    work()\n", '    work()\n    """A text after a statement."""\n'),
        ("pack/listed.py", "X = 1\n", 'X = 1\n"""What X is."""\n'),
        ("pack/listed.py", "X = 1", "# why\nX = 1"),
        ("stage.py", "    work()\n", "    log.warning('%s', work)\n    work()\n"),
        ("pack/lazy.py", "def work():\n", "def work():\n    log.info('a', b)\n"),
        ("pack/lazy.py", "def work():\n", 'def work():\n    """New."""\n'),
        ("pack/unused.py", "", "X = 2\n"),
    ],
)
def test_code_of_the_same_meaning_has_the_same_hash(scripts: Path, name: str, before: str, after: str) -> None:
    old = code_hashes(scripts / "stage.py")
    assert before in FILES[name]
    rewrite(scripts / name, FILES[name].replace(before, after) if before else after)
    assert code_hashes(scripts / "stage.py") == old


@pytest.mark.parametrize(
    ("raised", "changes"),
    [("ValueError(f'size {x} is odd')", False), ("KeyError('the size is even')", True), ("error", True)],
)
def test_the_words_of_an_error_have_no_effect(scripts: Path, raised: str, changes: bool) -> None:
    rewrite(scripts / "pack/lazy.py", "def work(x):\n    if x:\n        raise ValueError('the size is even')\n")
    old = code_hashes(scripts / "stage.py")
    rewrite(scripts / "pack/lazy.py", f"def work(x):\n    if x:\n        raise {raised}\n")
    assert (code_hashes(scripts / "stage.py") != old) is changes


@pytest.mark.parametrize(
    ("name", "before", "after", "module"),
    [
        ("stage.py", "    work()", "    work(2)", "stage"),
        ("pack/lazy.py", "return 1", "return 2", "pack.lazy"),
        ("pack/listed.py", "X = 1", "X = 1.0", "pack.listed"),
        ("pack/listed.py", "X = 1", "Y = 1", "pack.listed"),
        ("pack/listed.py", "X = 1", "X = 1\n'a text'.strip()", "pack.listed"),
        ("stage.py", "size: int = 1", "size: int = 2", "stage"),
        ("stage.py", "size: int = 1\n   ", "size: str =", "stage"),  # the text has become a value
        ("pack/indirect.py", "import direct", "import direct\nX = 'text'", "pack.indirect"),
    ],
)
def test_a_change_shows_in_its_module_alone(scripts: Path, name: str, before: str, after: str, module: str) -> None:
    old = code_hashes(scripts / "stage.py")
    rewrite(scripts / name, FILES[name].replace(before, after))
    new = code_hashes(scripts / "stage.py")
    assert [name for name in new if new[name] != old[name]] == [module]


@pytest.mark.parametrize(
    ("head", "changes"),
    [
        ("class Sizes(Section):", False),  # a settings file holds the value
        ("class Sizes(Section, frozen=True):", False),
        ("class Sizes(NamedTuple):", True),
        ("@dataclass\nclass Sizes:", True),
    ],
)
def test_only_the_fields_of_sections_have_no_effect(scripts: Path, head: str, changes: bool) -> None:
    text = f"from reinforced_cot.section import Section\n\n{head}\n    width: int = 1\n"
    rewrite(scripts / "pack/listed.py", text)
    old = code_hashes(scripts / "stage.py")
    rewrite(scripts / "pack/listed.py", text.replace("= 1", "= 2"))
    assert (code_hashes(scripts / "stage.py") != old) is changes


def test_a_users_own_modules_are_hashed_with_what_they_import_beside_them(scripts: Path) -> None:
    hashes = module_hashes(["rewards_of_mine"], scripts)
    assert list(hashes) == ["pack.unused", "rewards_of_mine"]
    rewrite(scripts / "pack/unused.py", "X = 3\n")
    changed = module_hashes(["rewards_of_mine"], scripts)
    assert [name for name in hashes if hashes[name] != changed[name]] == ["pack.unused"]
    assert module_hashes(["absent"], scripts) == {}


PACKAGE = SCRIPTS / "reinforced_cot"
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_the_init_file_of_each_room_holds_only_a_docstring() -> None:
    """An import of a module runs the `__init__.py` of its room, which no closure has."""
    folders = {path.parent for path in MODULES}
    assert len(folders) > 10
    for folder in folders:
        body = ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body
        assert len(body) == 1 and ast.get_docstring(ast.Module(body, [])), folder


def test_no_module_imports_by_a_relative_name() -> None:
    """A closure would lack a module that is imported like this."""
    relative = [
        path
        for path in [*MODULES, *SCRIPTS.glob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.fixture(scope="module")
def closures() -> dict[str, set[str]]:
    """For each script, the modules of the package that it may import."""
    forget()
    prefix = "reinforced_cot."
    return {
        path.stem: {name.removeprefix(prefix) for name in code_hashes(path) if name.startswith(prefix)}
        for path in SCRIPTS.glob("*.py")
    }


MATCHING = {
    *("sft", "grpo", "merge_lora", "config", "score", "compare", "filter_chains", "pass_rates"),
    *("look", "preset", "report", "compare_runs", "app"),
}


@pytest.mark.parametrize(
    ("module", "scripts"),
    [
        ("scoring.rewards", {"grpo", "config", "preset"}),
        ("report.page", {"report"}),
        (
            "data.prompts",
            {"sft", "grpo", "merge_lora", "answer", "ask", "app", "sample", "ask_teacher", "plan"},
        ),  # the plan counts those of a merge's proof
        # SFT chooses its checkpoint by it; the merge of an adapter of a quantized base is measured by it.
        ("matching.answer_matching", MATCHING),
        # A policy without judges does not become stale by how they are asked (`reward_hashes`).
        ("endpoints.requests", {"ask_teacher"}),
        ("scoring.judge_rewards", set()),
        ("training.reward_model", set()),
        ("trackers.policy_run", set()),
        ("answers.math_worker", MATCHING),
        # A change of the judge or of a filter draws no sample and asks no teacher again.
        ("chains.filters", {"filter_chains"}),
        ("chains.settings", {"filter_chains", "ask_teacher", "config", "plan", "preset"}),
        ("chains.teacher", {"ask_teacher"}),
        ("programs.wording", {"run_programs"}),
        # A change of statistics and scores trains no policy again.
        ("evaluation.uncertainty", {"score", "compare", "compare_runs", "report"}),
        ("evaluation.scores", {"score"}),
        ("evaluation.probe_scores", {"score"}),
        ("base.tiny_pretraining", {"base_model"}),
        ("base.tiny_evaluation", {"base_model"}),
        ("sources.gqa_cot", {"prepare_data", "look", "preset"}),
        ("digits.digit_scenes", {"prepare_data", "base_model", "look", "preset"}),
        # A change of one method's settings does not rerun the other method.
        ("policies.sft", {"sft", "plan", "config", "preset"}),
        ("policies.grpo", {"grpo", "plan", "config", "preset"}),
        ("generation.vllm_engine", {"answer", "sample"}),
        ("config.validation", {"config", "preset"}),
    ],
)
def test_a_module_is_read_by_the_stages_that_need_it(
    closures: dict[str, set[str]], module: str, scripts: set[str]
) -> None:
    assert {script for script, modules in closures.items() if module in modules} == scripts


def test_closures_of_the_stages(closures: dict[str, set[str]]) -> None:
    assert closures["check_data"] == {
        *("data.examples", "data.image_groups", "data.image_places", "disk_space", "errors", "evaluation.gqa_metrics"),
        *("files", "integrity", "interpreter", "manifests", "preparation.near_duplicates"),
        *("preparation.split_checks", "processes", "result_files", "section", "seeds", "stage_script"),
    }
    # A change of scoring asks no question again.
    scoring = {
        "data.parsing",
        "matching.answer_matching",
        "judging.consistency",
        "scoring.metrics",
        "scoring.predictions",
    }
    assert scoring <= closures["score"] and not scoring & closures["answer"]
