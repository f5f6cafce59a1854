"""What a dry-run plans, and what it refuses before anything runs."""

import re
from pathlib import Path

import pytest
import yaml
from workflow_copy import WorkflowCopy, copy_workflow

MAIN = "results/grpo/eval.json"


@pytest.fixture(scope="module")
def workflow(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    return copy_workflow(repo, tmp_path_factory.mktemp("dry") / "workflow")


def with_config(workflow: WorkflowCopy, name: str, **config: object) -> tuple[str, ...]:
    (workflow.root / name).write_text(yaml.safe_dump(config), encoding="utf-8")
    return ("--configfile", name)


def test_the_main_job_trains_grpo_alone(workflow: WorkflowCopy) -> None:
    assert workflow.planned(MAIN) == {
        "data_settings": 3,
        "train_settings": 3,
        "eval_settings": 1,
        "prepare_data": 3,
        "check_data": 1,
        "base_model": 1,
        "sft": 1,
        "merge_lora": 2,
        "grpo": 1,
        "evaluate": 1,
    }


def test_all_is_every_policy_and_the_report(workflow: WorkflowCopy) -> None:
    planned = workflow.planned()
    assert planned["grpo"] == 2
    assert planned["merge_lora"] == 3
    assert planned["evaluate"] == 4
    assert planned["report"] == 1


@pytest.mark.parametrize("policies", [["grpo"], ["gspo"], ["mine"]])
def test_policies_say_what_is_trained(workflow: WorkflowCopy, policies: list[str]) -> None:
    config: dict[str, object] = {"policies": policies}
    if policies == ["mine"]:
        default = yaml.safe_load((workflow.root / "config/config.yaml").read_text())
        config["rl"] = {"mine": default["rl"]["grpo"]}
    planned = workflow.planned(*with_config(workflow, f"{policies[0]}.yaml", **config))
    assert (planned["grpo"], planned["evaluate"]) == (1, 3)


def test_results_go_where_the_preset_says(workflow: WorkflowCopy) -> None:
    config = with_config(workflow, "elsewhere.yaml", pathvars={"results": "results/elsewhere"})
    assert workflow.planned("results/elsewhere/grpo/eval.json", *config) == workflow.planned(MAIN)
    assert "MissingRuleException" in workflow.refusal(MAIN, *config)


@pytest.mark.parametrize("target", ["results/gropo/eval.json", "results/other/grpo/eval.json", "results/base/adapter"])
def test_a_path_that_no_rule_makes_is_refused(workflow: WorkflowCopy, target: str) -> None:
    assert "MissingRuleException" in workflow.refusal(target)


def test_full_size_preset(workflow: WorkflowCopy) -> None:
    """On a fixture path: the data files are inputs, one a split, and each stage asks for its GPU."""
    data = workflow.root / "data" / "gqa"
    (data / "images").mkdir(parents=True)
    config = ("--configfile", "config/presets/qwen2.5-vl-3b-gqa.yaml")
    assert "data/gqa/train.jsonl" in workflow.refusal(*config)  # a missing raw file is named before anything runs
    for split in ("train", "val", "test"):
        (data / f"{split}.jsonl").write_text("{}\n")
    text = workflow.snakemake("--dry-run", "--cores", "2", *config)
    for rule in ("sft", "grpo", "evaluate"):
        job = text.split(f"rule {rule}:")[1].split("rule ")[0]
        assert "gpu=1" in job, job
    assert "results/qwen2.5-vl-3b-gqa/report.html" in text
    assert "input: results/qwen2.5-vl-3b-gqa/data/test.yaml, data/gqa/test.jsonl, data/gqa/images" in text


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"rl": {"grpo": {"training": {"num_generation": 8}}}},
            "did you mean `num_generations`",
        ),
        ({"policies": ["grpo", "gropo"]}, "gropo"),
        ({"policies": ["sft"]}, "sft"),
        ({"rl": {"grpo": {"training": {"num_generations": 7}}}}, "num_generations"),
        ({"rl": {"grpo": {"training": {"num_generations": 1}}}}, "num_generations"),
        ({"sft": {"training": {"learning_rate": "1e-4"}}}, "1.0e-4"),
        ({"rl": {"grpo": {"quantization": "nf4", "training": {"use_vllm": True}}}}, "quantization"),
        ({"sft": {"training": {"output_dir": "elsewhere"}}}, "output_dir"),
        ({"base_model": {"trust_remote_code": True}}, "trust_remote_code"),
    ],
)
def test_bad_configuration_is_refused_at_dry_run(
    workflow: WorkflowCopy, config: dict[str, object], message: str
) -> None:
    text = workflow.refusal(*with_config(workflow, "bad.yaml", **config))
    assert "the configuration is refused" in text
    assert message in text
    assert "Traceback" not in text


def test_gspo_with_an_epsilon_of_grpo_is_warned(workflow: WorkflowCopy) -> None:
    config = with_config(workflow, "wide.yaml", rl={"gspo": {"training": {"epsilon": 0.2}}})
    text = workflow.snakemake("--dry-run", "--cores", "2", *config)
    assert "rl.gspo.training.epsilon" in text
    assert "rl.gspo.training.epsilon" not in workflow.snakemake("--dry-run", "--cores", "2")


def test_default_profile_never_starts_two_gpu_jobs_at_once(repo: Path, workflow: WorkflowCopy) -> None:
    profile = yaml.safe_load((repo / "profiles/default/config.yaml").read_text())
    assert profile["resources"] == ["gpu=1"]
    assert "Using workflow specific profile profiles/default" in workflow.snakemake("--dry-run", "--cores", "2")


def test_slurm_profile_gives_every_stage_its_resources(workflow: WorkflowCopy) -> None:
    text = workflow.snakemake("--dry-run", "--workflow-profile", "profiles/slurm")
    for rule, memory in {"prepare_data": 16000, "sft": 64000, "grpo": 96000, "evaluate": 48000}.items():
        job = text.split(f"rule {rule}:")[1].split("rule ")[0]
        assert f"mem_mb={memory}" in job, job
        assert "runtime=" in job, job


def test_slurm_profile_repeats_what_the_default_profile_says(repo: Path) -> None:
    """It is used in place of the default profile."""
    default, slurm = (
        yaml.safe_load((repo / f"profiles/{name}/config.yaml").read_text()) for name in ("default", "slurm")
    )
    del default["resources"]  # Slurm hands out GPUs itself
    assert default.items() <= slurm.items()


def test_no_command_holds_a_path_of_this_machine(workflow: WorkflowCopy) -> None:
    """It would differ on another machine, and every job would rerun there."""
    text = workflow.snakemake("--dry-run", "--cores", "2", "--printshellcmds")
    commands = [line for line in text.splitlines() if re.match("Shell command: (python|printf) ", line)]
    assert len(commands) == 27  # every job but `all`
    assert not any(str(workflow.root) in command for command in commands)
