"""Every command that a page shows works: its target, its options, its variables, and Snakemake's as a dry-run."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from pages import PAGES, blocks, named, prose
from PIL import Image
from places import REPO
from workflow_copy import WorkflowCopy, copy_workflow

PROBE = "probe_of_a_test"
# Programs that are not part of the repository, and whose arguments are not looked at.
OTHERS = {"source", "head", "tensorboard", "export"}


def words(line: str) -> list[str]:
    """A command without its comment and the folder of its program."""
    found = shlex.split(line, comments=True)
    return [re.sub(r"^\.venv[\w-]*/bin/", "", found[0]), *found[1:]] if found else []


def commands() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Page and command, of all blocks of a shell; and those of `make`, `snakemake` and `python` in sentences."""
    for block in blocks("bash", "console", "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if found := words(line.removeprefix("$ ")):
                yield block.page, tuple(found)
    for page in PAGES:
        text = prose(page.read_text(encoding="utf-8"))
        for code in re.findall(r"(?<!`)`((?:\.venv/bin/)?(?:make|snakemake|python) [^`]+)`", text):
            yield named(page), tuple(words(" ".join(code.split())))


ALL = sorted({command: page for page, command in commands()}.items())


def of(program: str) -> list[tuple[str, ...]]:
    return [command for command, _ in ALL if command[0] == program]


def test_every_program_is_known() -> None:
    programs = {command[0]: page for command, page in ALL}
    assert programs.keys() - OTHERS == {"make", "snakemake", "python", "pip"}, programs


@cache
def make(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """What `make` would do, also where nothing is out of date."""
    return subprocess.run(["make", "-n", "-B", *arguments], cwd=REPO, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", of("make"), ids=" ".join)
def test_make_knows_the_target_and_each_variable(command: tuple[str, ...]) -> None:
    targets = [word for word in command[1:] if "=" not in word]
    run = make(*targets)
    assert run.returncode == 0, run.stderr
    assert targets, "the command names no target"
    rules = (REPO / "Makefile").read_text(encoding="utf-8")
    for name in (word.partition("=")[0] for word in command[1:] if "=" in word):
        is_exported = re.search(rf"^export {name}$", rules, re.MULTILINE)
        assert is_exported or make(*targets, f"{name}={PROBE}").stdout != run.stdout, f"{name} changes nothing"


def test_a_variable_that_make_does_not_read_is_found() -> None:
    assert make("config", f"FILES={PROBE}").stdout == make("config").stdout
    assert make("cofnig").returncode != 0


@pytest.mark.parametrize("command", of("python"), ids=" ".join)
def test_a_script_has_each_option(command: tuple[str, ...]) -> None:
    if command[1] == "-m":
        assert find_spec(command[2])
        assert command[2] != "pytest" or all((REPO / word).exists() for word in command[3:])
        return
    script = REPO / command[1]
    assert script.is_file(), script
    for option in (word.partition("=")[0] for word in command[2:] if word.startswith("--")):
        assert option in options_of(script), f"{script} has no {option}"


@cache
def options_of(script: Path) -> frozenset[str]:
    """The names that a script's parser is given, also by modules beside it that it imports."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    found = {
        argument.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    for node in ast.walk(tree):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
        for beside in (script.with_name(f"{name}.py") for name in names):
            if beside.is_file() and beside != script:
                found |= options_of(beside)
    return frozenset(found)


@pytest.mark.parametrize("command", of("pip"), ids=" ".join)
def test_pip_finds_the_files(command: tuple[str, ...]) -> None:
    files = [command[number + 1] for number, word in enumerate(command) if word in ("-r", "-c")]
    assert all((REPO / file).is_file() for file in files)


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    """A copy with the data and the presets that the pages speak of."""
    workflow = copy_workflow(REPO, tmp_path_factory.mktemp("pages") / "workflow")
    root = workflow.root
    for preset in (root / "config/presets").glob("*.yaml"):
        splits = yaml.safe_load(preset.read_text(encoding="utf-8")).get("data", {}).get("splits", {})
        for split in splits.values():
            if file := split.get("file"):
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).write_text("{}\n", encoding="utf-8")
            if images := split.get("images"):
                (root / images).mkdir(parents=True, exist_ok=True)
    for name in ("my-run", "easy-vqa"):  # tests/workflow/test_tutorial.py writes the real one
        (root / f"config/presets/{name}.yaml").write_text(f"extends: demo\npathvars: {{results: results/{name}}}\n")
    (root / "cars").mkdir()
    rows = ["image,question,answer"]
    for shade in range(24):
        Image.new("L", (60, 40), 10 * shade).save(root / f"cars/{shade}.png")
        rows.append(f"{shade}.png,Is car {shade} dark?,{'yes' if shade < 12 else 'no'}")
    (root / "cars/train.csv").write_text("\n".join(rows), encoding="utf-8")
    script = [sys.executable, "workflow/scripts/preset.py", "--data", "cars/train.csv", "--name", "cars"]
    subprocess.run(script, cwd=root, check=True, capture_output=True)
    return workflow


def test_snakemake_accepts_each_command(workflow: WorkflowCopy, tmp_path: Path) -> None:
    """As a dry-run, but for those that run nothing by themselves. One process calls all of them."""
    root, calls = workflow.root, []
    for command in of("snakemake"):
        places = {"CLONE/Snakefile": str(root / "Snakefile"), "FOLDER": str(tmp_path)}
        words = [places.get(word, word) for word in command[1:]]
        if "profiles/slurm" in words and not find_spec("snakemake_executor_plugin_slurm"):
            continue
        if "--report" in words:
            continue  # it shows a finished run alone, which is none here
        calls.append(words if {"--unlock", "--list"} & {*words} else ["--dry-run", *words])
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "workflow/scripts"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "WANDB_MODE": "offline",
    }
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("dry_runs.py"))],
        cwd=root,
        env=environment,
        input=json.dumps([*calls, ["--dry-run", "--cores", "1", "results/grpo/evla.json"], ["--dry-rnu"]]),
        capture_output=True,
        text=True,
        check=True,
    )
    *results, (wrong_target, _), (wrong_option, _) = json.loads(run.stdout)
    ends = zip(calls, results, strict=True)
    failed = [f"snakemake {' '.join(call)}\n{text[-1500:]}" for call, (status, text) in ends if status]
    assert not failed, "\n\n".join(failed)
    assert len(calls) >= 20 and wrong_target and wrong_option


def test_the_page_of_own_data_has_each_variable_of_make_preset() -> None:
    page = (REPO / "docs/own-data.md").read_text(encoding="utf-8")
    table = page.split("| variable of `make preset` |")[1].split("\n\n")[0]
    listed = {
        name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    rule = re.findall(r"^preset:.*?\n((?:\t.*\n)+)", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert listed == set(re.findall(r"\$\(([A-Z_]+)\)", rule)) - {"BIN"}
