"""A stage imports no library before its arguments are read, and never a library that it does not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reinforced_cot.code_hashes import code_hashes
from reinforced_cot.paths import SCRIPTS

TRAINING = {"torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "deepspeed", "vllm"}
HEAVY = TRAINING | {"numpy", "pandas", "scipy", "statsmodels", "wandb", "trackio", "mlflow"}

# The libraries of HEAVY that each stage without torch imports: each takes a tenth of a second, pandas half of one.
WITHOUT_TORCH = {
    "prepare_data": {"numpy"},
    "check_data": {"numpy"},  # nearly equal images
    "score": set(),
    "compare": set(),
    "compare_runs": {"numpy", "pandas"},
    "seeds": set(),
    "report": {"numpy", "pandas"},
    "model_card": {"numpy", "pandas"},
    "push": set(),
    "config": set(),
    "look": {"numpy"},  # digit scenes
    "preset": {"numpy"},
    "prune": set(),
    "accuracies": set(),
    "install": set(),
    "status": set(),
    "filter_chains": set(),
    "pass_rates": set(),
    "ask_teacher": set(),
    "run_programs": set(),
}
WITH_TORCH = {"base_model", "sft", "grpo", "merge_lora", "answer", "ask", "app", "sample", "plan"}


def imported(code: str, folder: Path = SCRIPTS) -> set[str]:
    """Which libraries of HEAVY a fresh interpreter has imported after ``code``."""
    code += f"\nimport json, sys; print(json.dumps(sorted({HEAVY!r} & sys.modules.keys())))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_every_script_is_with_torch_or_without() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.py")} == WITH_TORCH | WITHOUT_TORCH.keys()


def test_scripts_read_their_arguments_first() -> None:
    assert imported(f"import {', '.join(sorted(WITH_TORCH | WITHOUT_TORCH.keys()))}") == set()


@pytest.mark.parametrize(("script", "libraries"), WITHOUT_TORCH.items())
def test_a_stage_without_torch(script: str, libraries: set[str]) -> None:
    """Every module that the script ever imports, late or not."""
    assert imported("\n".join(f"import {name}" for name in code_hashes(SCRIPTS / f"{script}.py"))) == libraries


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("base_model", ["--settings", "no.yaml", "--data", ".", "--output", "."]),
        ("sft", ["--settings", "no.yaml", "--data", ".", "--from", ".", "--output", "."]),
        ("grpo", ["--settings", "no.yaml", "--data", ".", "--from", ".", "--output", "."]),
        ("merge_lora", ["--settings", "no.yaml", "--base", ".", "--output", "."]),
        ("answer", ["--settings", "no.yaml", "--data", ".", "--policy", "."]),
        ("sample", ["--settings", "no.yaml", "--data", ".", "--policy", ".", "--output", "x"]),
        ("plan", []),
    ],
)
def test_settings_are_refused_before_torch_is_imported(script: str, arguments: list[str], tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
import {script}
from reinforced_cot.errors import DataError
try:
    {script}.main({arguments!r})
    raise SystemExit("not refused")
except DataError:
    pass
"""
    assert imported(code, tmp_path) == set()


@pytest.mark.parametrize(
    "modules",
    [
        ("config.validation", "config.stage_settings", "code_hashes"),  # a dry-run
        ("judging.consistency", "scoring.rewards", "scoring.metrics", "data.prompts"),
    ],
)
def test_pure_logic_imports_no_library(modules: tuple[str, ...]) -> None:
    assert imported("\n".join(f"import reinforced_cot.{module}" for module in modules)) == set()


def test_answering_and_building_a_base_import_no_library_of_training() -> None:
    assert imported("import reinforced_cot.evaluation.answering, reinforced_cot.base.base_model") & TRAINING == {
        "torch",
        "transformers",
        "accelerate",  # by transformers
    }
