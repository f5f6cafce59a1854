"""What a dry-run plans, and what it refuses before anything runs."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from workflow_copy import WorkflowCopy, copy_workflow

MAIN = "results/grpo/eval.json"


@pytest.fixture(scope="module")
def workflow(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    return copy_workflow(repo, tmp_path_factory.mktemp("dry") / "workflow")


def with_config(workflow: WorkflowCopy, name: str, **config: object) -> tuple[str, ...]:
    """Options that lay ``config`` over the demo, or over the preset that the workflow is called with."""
    parent = {} if workflow.options else {"extends": "demo"}
    (workflow.root / name).write_text(yaml.safe_dump({**parent, **config}, sort_keys=False), encoding="utf-8")
    return ("--configfile", name)


def test_the_main_job_trains_grpo_alone(workflow: WorkflowCopy) -> None:
    assert workflow.planned(MAIN) == {
        "data_settings": 3,
        "policy_settings": 3,
        "answer_settings": 1,
        "prepare_data": 3,
        "check_data": 1,
        "base_model": 1,
        "sft": 1,
        "merge_lora": 2,
        "grpo": 1,
        "answer": 1,
        "evaluate": 1,
    }


def test_all_is_every_policy_and_the_report(workflow: WorkflowCopy) -> None:
    planned = workflow.planned()
    assert planned["grpo"] == 2
    assert planned["merge_lora"] == 3
    assert planned["evaluate"] == 4
    assert (planned["compare"], planned["report"]) == (1, 1)


def test_further_seeds_repeat_the_whole_run(workflow: WorkflowCopy) -> None:
    config = with_config(workflow, "seeds.yaml", seeds=[7, 8], report=["base", "sft", "grpo"])
    planned = workflow.planned(*config)
    alone = workflow.planned(*with_config(workflow, "alone.yaml", report=["base", "sft", "grpo"]))
    repeated = {rule: jobs for rule, jobs in alone.items() if rule not in ("compare", "report", "model_card")}
    expected = {f"seed_{seed}_{rule}": jobs for seed in (7, 8) for rule, jobs in repeated.items()}
    assert planned == {**alone, "seeds": 1, **expected}


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (["base", "sft", "grpo"], {"sft": 1, "grpo": 1, "merge_lora": 2, "evaluate": 3}),
        (["gspo"], {"sft": 1, "grpo": 1, "merge_lora": 2, "evaluate": 1}),  # what it starts from is made as well
        (["base", "mine"], {"sft": 1, "grpo": 1, "merge_lora": 2, "evaluate": 2}),
        (["base", "zero"], {"grpo": 1, "merge_lora": 1, "evaluate": 2}),
        (["twice"], {"sft": 2, "grpo": 1, "merge_lora": 3, "evaluate": 1}),
        (["base"], {"evaluate": 1}),
    ],
)
def test_the_report_says_what_is_trained(workflow: WorkflowCopy, report: list[str], expected: dict[str, int]) -> None:
    policies = {
        "mine": {"like": "grpo"},
        "zero": {"like": "grpo", "from": "base"},
        "twice": {"like": "sft", "from": "grpo"},
    }
    planned = workflow.planned(*with_config(workflow, "report.yaml", report=report, policies=policies))
    shown = ("sft", "grpo", "merge_lora", "evaluate")
    assert {rule: jobs for rule, jobs in planned.items() if rule in shown} == expected


def test_a_policy_outside_the_report_is_checked_when_it_is_asked_for(workflow: WorkflowCopy) -> None:
    wrong = {"like": "grpo", "training": {"save_steps": 7}}
    config = with_config(workflow, "outside.yaml", policies={"zero": {"like": "grpo", "from": "base"}, "wrong": wrong})
    assert workflow.planned(*config) == workflow.planned()
    planned = workflow.planned("results/zero/eval.json", *config)
    assert (planned["grpo"], planned["merge_lora"], planned["evaluate"], "sft" in planned) == (1, 1, 1, False)
    text = workflow.refusal("results/wrong/eval.json", *config)
    assert "policy wrong is refused" in text and "`policies.wrong.training.save_steps` is 7" in text


LORA = {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "k_proj", "v_proj"]}
STARTS: list[tuple[dict[str, object], dict[str, int]]] = [
    (
        {"policies": {"grpo": {"lora": None}}},
        {"sft": 1, "grpo_in_full": 1, "merge_lora": 1},
    ),  # SFT's adapter alone is merged
    ({"policies": {"grpo": {"start": "adapter"}}}, {"sft": 1, "grpo": 1, "merge_lora": 1}),  # RL's alone, into the base
    ({"policies": {"sft": {"lora": None}}}, {"sft_in_full": 1, "grpo": 1, "merge_lora": 1}),
    ({"policies": {"sft": {"lora": None}, "grpo": {"lora": None}}}, {"sft_in_full": 1, "grpo_in_full": 1}),
]


@pytest.mark.parametrize(("config", "expected"), STARTS)
def test_what_rl_starts_from_and_what_is_trained(
    workflow: WorkflowCopy, config: dict[str, object], expected: dict[str, int]
) -> None:
    planned = workflow.planned(MAIN, *with_config(workflow, "start.yaml", **config))
    training = ("sft", "sft_in_full", "grpo", "grpo_in_full", "merge_lora")
    assert {rule: jobs for rule, jobs in planned.items() if rule in training} == expected


def test_the_report_of_policies_trained_both_ways(workflow: WorkflowCopy) -> None:
    config = with_config(
        workflow, "both.yaml", policies={"grpo": {"lora": None}, "gspo": {"start": "adapter", "lora": LORA}}
    )
    planned = workflow.planned(*config)
    assert (planned["grpo"], planned["grpo_in_full"], planned["merge_lora"], planned["evaluate"]) == (1, 1, 2, 4)


def test_results_go_where_the_preset_says(workflow: WorkflowCopy) -> None:
    config = with_config(workflow, "elsewhere.yaml", pathvars={"results": "results/elsewhere"})
    assert workflow.planned("results/elsewhere/grpo/eval.json", *config) == workflow.planned(MAIN)
    assert "MissingRuleException" in workflow.refusal(MAIN, *config)


@pytest.mark.parametrize("target", ["results/gropo/eval.json", "results/other/grpo/eval.json", "results/base/adapter"])
def test_a_path_that_no_rule_makes_is_refused(workflow: WorkflowCopy, target: str) -> None:
    assert "MissingRuleException" in workflow.refusal(target)


FULL_SIZE = ("--configfile", "config/presets/qwen2.5-vl-3b-gqa.yaml")


def job_of(text: str, rule: str) -> str:
    """What a dry-run says of the first job of ``rule``."""
    return re.split(r"\n(?:local)?rule ", text.split(f"rule {rule}:")[1])[0]


@pytest.fixture(scope="module")
def full_size(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    """The workflow with fixture files where the full-size preset expects the user's data."""
    workflow = copy_workflow(repo, tmp_path_factory.mktemp("full-size") / "workflow", *FULL_SIZE)
    (workflow.root / "data/gqa/images").mkdir(parents=True)
    for split in ("train", "val", "test"):
        (workflow.root / f"data/gqa/{split}.jsonl").write_text("{}\n")
    return workflow


def test_a_missing_raw_file_is_named_before_anything_runs(workflow: WorkflowCopy) -> None:
    """By Snakemake itself only where nothing was made yet: else it takes the old data as up to date."""
    text = workflow.refusal(*FULL_SIZE)
    assert "`data.splits.train.file` is data/gqa/train.jsonl, which does not exist" in text
    assert "`data.splits.test.images` is data/gqa/images, which does not exist" in text


def test_full_size_preset(full_size: WorkflowCopy) -> None:
    """The data files are inputs, one per split, and each stage asks for its GPU."""
    text = full_size.snakemake("--dry-run", "--cores", "2")
    for rule in ("sft", "merge_lora", "grpo", "answer"):
        assert "gpu=1" in job_of(text, rule)
    assert "results/qwen2.5-vl-3b-gqa/report.html" in text
    assert "input: results/qwen2.5-vl-3b-gqa/data/test.yaml, data/gqa/test.jsonl, data/gqa/images" in text


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"policies": {"grpo": {"training": {"num_generation": 8}}}},
            "did you mean `num_generations`",
        ),
        ({"report": ["grpo", "gropo"]}, "did you mean grpo?"),
        ({"policies": {"samples": {"like": "grpo"}}}, "`policies.samples`: the results folder needs that name"),
        ({"policies": {"grpo": {"from": "stf"}}}, "did you mean sft?"),
        ({"policies": {"sft": {"from": "grpo"}}}, "leads back to sft: sft <- grpo <- sft"),
        ({"policies": {"sft": {"start": "adapter"}}}, "`policies.sft.from` is base, which has none: use start model"),
        ({"policies": {"mine": {"method": "ppo"}}}, '`policies.mine.method` is "ppo"; it must be one of "sft", "grpo"'),
        ({"policies": {"grpo": {"training": {"num_generations": 7}}}}, "num_generations"),
        ({"policies": {"grpo": {"training": {"num_generations": 1}}}}, "num_generations"),
        ({"policies": {"sft": {"training": {"learning_rate": "1e-4"}}}}, "1.0e-4"),
        ({"policies": {"grpo": {"quantization": "nf4", "training": {"use_vllm": True}}}}, "quantization"),
        ({"policies": {"sft": {"training": {"output_dir": "elsewhere"}}}}, "output_dir"),
        ({"launch": {"sft": {"topology": "zero_3"}}}, "did you mean zero3?"),
        (
            {"launch": {"sft": {"topology": "zero3"}}, "policies": {"sft": {"quantization": "nf4"}}},
            "quantized base cannot be split",
        ),
        ({"policies": {"sft": {"global_batch_size": 24}}}, "policies.sft.global_batch_size"),
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


def test_a_key_that_stands_twice_is_refused(workflow: WorkflowCopy) -> None:
    (workflow.root / "twice.yaml").write_text("seed: 3\nseed: 4\n")
    text = workflow.refusal("--configfile", "twice.yaml")
    assert text.count("twice.yaml, line 2: `seed` stands in line 1 as well; keep one") == 1


def test_a_file_in_the_old_form_is_refused_with_the_present_one(workflow: WorkflowCopy) -> None:
    config = with_config(workflow, "old.yaml", policies=["grpo"], rl={"grpo": {"training": {"max_steps": 7}}})
    text = workflow.refusal(*config)
    assert "old.yaml is in the form that was used before `policies` became a graph" in text
    shown = "policies:\n  grpo:\n    method: grpo\n    from: sft\n    training:\n      max_steps: 7"
    assert f"report:\n- base\n- sft\n- grpo\n{shown}" in text and "Traceback" not in text


def test_broken_yaml_in_the_default_configuration_is_named_with_its_line(repo: Path, tmp_path: Path) -> None:
    workflow = copy_workflow(repo, tmp_path / "workflow")
    workflow.edit("config/config.yaml", "seed: 1 ", "seed: [1 ")
    text = workflow.refusal()
    assert re.search(r"config/config.yaml, line \d+, column \d+: not valid YAML", text) and "Traceback" not in text


def test_a_preset_that_names_no_parent_is_told_so(workflow: WorkflowCopy) -> None:
    (workflow.root / "mine.yaml").write_text("policies: {grpo: {training: {learning_rate: 1.0e-6}}}\n")
    text = workflow.refusal("--configfile", "mine.yaml")
    assert "`data` is missing" in text and "(mine.yaml has no `extends`, so it inherits nothing." in text
    (workflow.root / "two.yaml").write_text("extends: full-size\n")
    text = workflow.refusal(*with_config(workflow, "one.yaml", seed=3), "two.yaml")
    assert "one.yaml extends demo, and two.yaml extends full-size: only one file of a call may extend another" in text


def test_a_preset_without_a_results_folder_shares_the_demos(workflow: WorkflowCopy) -> None:
    (workflow.root / "photos.yaml").write_text("extends: gqa-cot-sample\n")
    text = workflow.refusal("--configfile", "photos.yaml")  # its data is not there
    assert "data.splits.train.file" in text
    config = with_config(workflow, "shared.yaml", seed=3)
    assert "`pathvars.results` is not set, and it is never inherited" in workflow.snakemake(MAIN, "-n", *config)


def test_the_effective_configuration_is_printed_with_the_origin_of_each_value(workflow: WorkflowCopy) -> None:
    config = with_config(workflow, "mine.yaml", policies={"grpo": {"training": {"learning_rate": 1.0e-6}}})
    text = workflow.snakemake("configuration", "--cores", "1", *config, "--config", "seed=3")
    assert re.search(r"\n      learning_rate: 1.0e-06 +# mine.yaml\n", text)
    assert re.search(r"\n      max_steps: 70 +# config/config.yaml\n", text)
    assert re.search(r"\nseed: 3 +# --config\n", text)
    workflow.snakemake("results/data/test.yaml", "--cores", "1", *config[:2], "--config", "seed=3")
    file = workflow.root / "results/configuration.yaml"
    written = file.read_text(encoding="utf-8")
    assert written in text
    whole = ("--configfile", "results/configuration.yaml")
    workflow.snakemake("results/data/val.yaml", "--cores", "1", *whole)
    again = file.read_text(encoding="utf-8")
    assert "# results/configuration.yaml" in again and yaml.safe_load(again) == yaml.safe_load(written)
    assert workflow.snakemake("configuration", "--cores", "1") and file.read_text(encoding="utf-8") == again


def test_rules_say_what_they_need_and_make(workflow: WorkflowCopy) -> None:
    text = workflow.snakemake("--list")
    for rule in ("prepare_data", "check_data", "base_model", "sft", "grpo", "merge_lora", "answer", "evaluate"):
        shown = text.split(f"\n{rule} (")[1].split(")\n")[0]
        assert "Needs: " in shown and "Makes:" in shown, shown


def test_gspo_with_an_epsilon_of_grpo_is_warned(workflow: WorkflowCopy) -> None:
    config = with_config(workflow, "wide.yaml", policies={"gspo": {"training": {"epsilon": 0.2}}})
    text = workflow.snakemake("--dry-run", "--cores", "2", *config)
    assert "policies.gspo.training.epsilon" in text
    assert "policies.gspo.training.epsilon" not in workflow.snakemake("--dry-run", "--cores", "2")


TWO_JOBS = """
rule all:
    input: "a", "b"
rule job:
    output: "{name}"
    resources: gpu=1
    shell: "date +%s%N > {output}; sleep 1; date +%s%N >> {output}"
"""


@pytest.mark.parametrize(("gpus", "together"), [("1", False), ("0", True)])
def test_default_profile_never_starts_two_gpu_jobs_at_once(
    repo: Path, tmp_path: Path, gpus: str, together: bool
) -> None:
    """Two short jobs under the real profile: it says that there is one GPU."""
    shutil.copytree(repo / "profiles", tmp_path / "profiles")
    (tmp_path / "Snakefile").write_text(TWO_JOBS.replace("gpu=1", f"gpu={gpus}"))
    WorkflowCopy(tmp_path).snakemake("--cores", "2")
    spans = sorted([int(moment) for moment in (tmp_path / name).read_text().split()] for name in ("a", "b"))
    (_, first_end), (second_start, _) = spans
    assert (second_start < first_end) == together


EIGHT_GPUS = {"topology": "multi_gpu", "processes": 8, "threads": 64}
ZERO_3 = {"topology": "zero3", "processes": 4, "threads": 32}


@pytest.mark.parametrize(
    ("launch", "gpus"),
    [
        ({"sft": EIGHT_GPUS, "grpo": EIGHT_GPUS, "answer": EIGHT_GPUS}, {"sft": 8, "grpo": 8, "answer": 8}),
        ({"sft": ZERO_3, "grpo": {"topology": "zero3_offload"}}, {"sft": 4, "grpo": 2, "answer": 1}),
        ({"sft": {"topology": "fsdp2"}, "merge_lora": {"topology": "cpu"}}, {"sft": 2, "merge_lora": 0}),
    ],
)
def test_gpus_follow_from_the_topology(
    full_size: WorkflowCopy, launch: dict[str, object], gpus: dict[str, int]
) -> None:
    """The full-size preset as it stands: its batches hold on 1, 2, 4 and 8 GPUs."""
    config = with_config(full_size, "launch.yaml", launch=launch)
    workflow = WorkflowCopy(full_size.root, (*FULL_SIZE, config[1]))
    text = workflow.snakemake("--dry-run", "--cores", "64", "--resources", "gpu=8")
    for rule, count in gpus.items():
        assert f"gpu={count}," in job_of(text, rule) + ",", job_of(text, rule)


def test_more_gpus_than_there_are_is_refused(full_size: WorkflowCopy) -> None:
    """Snakemake would count one for the job, and start another beside it."""
    config = with_config(full_size, "many.yaml", launch={"grpo": EIGHT_GPUS})
    text = WorkflowCopy(full_size.root, (*FULL_SIZE, config[1])).refusal()
    assert "`launch.grpo` asks for 8 GPUs, and this call has 1: if the machine has them, add --resources gpu=8" in text


def test_another_model_takes_the_place_of_the_full_size_ones(full_size: WorkflowCopy) -> None:
    """As docs/training.md says it: its preset alone, and its commit on the command line."""
    presets = WorkflowCopy(full_size.root, ("--configfile", "config/presets/internvl3-2b-gqa.yaml"))
    assert "OpenGVLab/InternVL3-2B-hf is no folder here" in presets.refusal()
    planned = presets.planned("--config", f"base_model={{revision: {'0' * 40}}}")
    assert (planned["base_model"], planned["sft"], planned["grpo"]) == (1, 1, 2)


def test_two_machines_are_asked_of_slurm(full_size: WorkflowCopy) -> None:
    config = with_config(full_size, "nodes.yaml", launch={"sft": {"topology": "two_node", "processes": 8}})
    workflow = WorkflowCopy(full_size.root, (*FULL_SIZE, config[1]))
    job = job_of(workflow.snakemake("--dry-run", "--cores", "64", "--workflow-profile", "profiles/slurm"), "sft")
    for resource in ("gpu=4", "nodes=2", "tasks=2", "mpi=srun", "processes=8"):
        assert resource in job, job


def test_plan_tells_memory_and_batches_before_anything_runs(full_size: WorkflowCopy) -> None:
    """The real rule, with the 3B model's shape from its configuration: no file but its log is written."""
    from transformers import Qwen2_5_VLConfig

    Qwen2_5_VLConfig(tie_word_embeddings=True).save_pretrained(full_size.root / "published")
    base = {"path": "published", "revision": None}
    launch = {"sft": {"topology": "zero3", "processes": 4}, "grpo": EIGHT_GPUS}
    config = with_config(full_size, "plan.yaml", base_model=base, launch=launch)
    workflow = WorkflowCopy(full_size.root, (*FULL_SIZE, config[1]))
    text = workflow.snakemake("--cores", "1", "--resources", "gpu=8", "--", "plan")
    assert "sft: zero3, 4 process(es) on GPUs; prompts of 2048 tokens, 32 rows per update = 4 x 4 processes" in text
    assert "32 rows per update = 4 x 8 processes x 1 accumulated; 64 per generation = 8 groups" in text
    assert "base\n  sft: sft, adapter\n    grpo: grpo, adapter\n    gspo: grpo, adapter\n" in text
    assert "whose prompts are computed once for 4 of 8 completions" in text
    assert text.count("GiB  at most at once") == 7  # three policies, their merges, and answering
    assert "merge of gspo: about " in text and "adapter that a merge keeps beside its base" in text
    assert "vision_cache: 768 tokens x " in text and "at most 50 GiB (base_model.vision_cache_gib)" in text
    results = full_size.root / "results/qwen2.5-vl-3b-gqa"
    assert [str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()] == ["logs/plan.log"]


def test_slurm_profile_gives_every_stage_its_resources(full_size: WorkflowCopy) -> None:
    # A dry-run shows no more threads than --cores allows; jobs that are submitted get them all.
    text = full_size.snakemake("--dry-run", "--cores", "8", "--workflow-profile", "profiles/slurm")
    expected = {
        "prepare_data": (16000, 120, 1, 0),
        "base_model": (32000, 120, 2, 0),
        "sft": (64000, 720, 8, 1),
        "merge_lora": (24000, 60, 8, 1),
        "grpo": (96000, 1440, 8, 1),
        "answer": (48000, 240, 8, 1),
        "evaluate": (4000, 30, 1, 0),
    }
    for rule, (memory, minutes, threads, gpus) in expected.items():
        job = job_of(text, rule)
        assert f"mem_mb={memory}," in job, job
        assert f"runtime={minutes}" in job, job
        assert ("threads:" not in job) if threads == 1 else (f"threads: {threads}\n" in job), job
        assert ("gpu=1" in job) == bool(gpus), job


def test_slurm_profile_repeats_what_the_default_profile_says(repo: Path) -> None:
    """It is used in place of the default profile."""
    default, slurm = (
        yaml.safe_load((repo / f"profiles/{name}/config.yaml").read_text()) for name in ("default", "slurm")
    )
    del default["resources"]  # Slurm hands out GPUs itself
    assert default.items() <= slurm.items()


def test_signals_reach_the_process_of_each_stage(workflow: WorkflowCopy) -> None:
    """A shell that waits for Python would keep SIGTERM to itself. `test_elsewhere` moves a clone: nothing is stale."""
    text = workflow.snakemake("--dry-run", "--cores", "2", "--printshellcmds")
    commands = [line for line in text.splitlines() if re.match("Shell command: (exec python|printf) ", line)]
    assert len(commands) == 35  # every job but `all`


def test_a_tracker_that_could_not_follow_a_run_is_refused(
    workflow: WorkflowCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any job; with WANDB_MODE=offline no key is needed, and the keys of trackers stand in no plan."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    config = with_config(workflow, "tracked.yaml", trackers={"report_to": ["wandb"]})
    text = workflow.refusal(MAIN, *config)
    assert text.count("there is no key for it: set WANDB_API_KEY, or call `wandb login` once; or set WANDB_MODE") == 1
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert workflow.planned(MAIN, *config) == workflow.planned(MAIN)
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    text = workflow.snakemake("--dry-run", "--cores", "2", "--printshellcmds", MAIN, *config)
    assert text.count('--trackers={"report_to":["wandb"],"project":"reinforced-cot"') == 3  # sft, grpo, evaluate
    assert "0123456789" not in text
