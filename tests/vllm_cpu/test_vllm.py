"""vLLM for real: it answers what transformers answers, and RL learns from rollouts of the policy that it trains."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from conftest import ENVIRONMENT, REPO, run_script
from workflow_copy import WorkflowCopy, copy_workflow

from reinforced_cot.chains.settings import ChainSet, TeacherSettings, teacher_of
from reinforced_cot.endpoints.settings import CONTROL
from reinforced_cot.generation.settings import AnswerSettings

DIFFERENCE = "sampling/sampling_logp_difference/mean"
TIE = 1e-3  # of a logit: rounding may turn such a choice around
TEXTS = ("prediction_raw", "direct_raw", "blank_image_raw", "shuffled_image_raw")


def answers(workflow: WorkflowCopy, results: str, policy: str, engine: str, output: Path) -> list[dict[str, Any]]:
    """What the stage answers with an engine; greedy, at most 24 questions' worth of probes."""
    folder = workflow.root / results
    settings = yaml.safe_load((folder / policy / "answer.yaml").read_text())
    settings["answer"] |= {"engine": engine, "samples": 0, "probes": 6, "gpu_memory_utilization": 0.2}
    output.mkdir()
    (output / "settings.yaml").write_text(yaml.safe_dump(settings))
    for name in ("model", "model.json"):
        (output / name).symlink_to(folder / policy / name)
    command = ["workflow/scripts/answer.py", "--settings", str(output / "settings.yaml")]
    folders = ["--data", str(folder / "data"), "--policy", str(output), "--topology", "cpu"]
    run = run_script(*command, *folders, cwd=workflow.root)
    assert run.returncode == 0, run.stderr[-5000:]
    return [json.loads(line) for line in (output / "answers.jsonl").read_text().splitlines()]


CASES = [
    ("digits", "results/smoke", "sft", 24),
    ("beside", "results/smoke", "beside", 24),
    ("thinking", "results/smoke", "thinking", 24),
    ("photos", "results/gqa-cot-sample", "base", 60),
    ("pairs", "results/smoke", "sft", 24),
]


@pytest.fixture
def beside(digits: WorkflowCopy) -> WorkflowCopy:
    """A policy ``beside``: SFT's, published as its base with the adapter beside the weights."""
    from reinforced_cot.lora.shard_merge import write_base_and_adapter
    from reinforced_cot.lora.streamed_model import StoredModel
    from reinforced_cot.manifests import write_manifest
    from reinforced_cot.models.processors import load_processor
    from reinforced_cot.models.settings import Loading

    results = digits.root / "results/smoke"
    folder, adapter = results / "beside/model", results / "sft/adapter"
    if folder.exists():
        return digits
    folder.mkdir(parents=True)
    stored = StoredModel(results / "base/model", Loading(dtype="float32", attn_implementation="sdpa"), adapter)
    write_base_and_adapter(stored, adapter, folder, torch.float32)
    load_processor(results / "sft/model").save_pretrained(folder)
    write_manifest(folder, results / "beside/model.json")
    shutil.copy(results / "sft/answer.yaml", results / "beside/answer.yaml")
    return digits


@pytest.fixture
def thinking(digits: WorkflowCopy) -> WorkflowCopy:
    """A policy ``thinking``: SFT's, whose chat template opens the chain in the prompt and drops it from turns."""
    from reinforced_cot.manifests import write_manifest

    results = digits.root / "results/smoke"
    folder = results / "thinking/model"
    if folder.exists():
        return digits
    shutil.copytree(results / "sft/model", folder)
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    for before, after in (
        ("assistant\\n' -}}", "assistant\\n<think>\\n' -}}"),
        ("content['text'] -}}", "content['text'].split('</think>')[-1] -}}"),
    ):
        assert template.count(before) == 1
        template = template.replace(before, after)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    write_manifest(folder, results / "thinking/model.json")
    shutil.copy(results / "sft/answer.yaml", results / "thinking/answer.yaml")
    return digits


@pytest.mark.parametrize(("name", "results", "policy", "at_least"), CASES)
def test_vllm_answers_what_transformers_answers(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, results: str, policy: str, at_least: int
) -> None:
    """Token for token, float32, greedy: real photographs of many sizes, two images per question, blank and swapped
    images, empty chains.
    """
    workflow = request.getfixturevalue(name)
    ours = answers(workflow, results, policy, "transformers", tmp_path / "transformers")
    theirs = answers(workflow, results, policy, "vllm", tmp_path / "vllm")
    assert [row["id"] for row in ours] == [row["id"] for row in theirs]
    assert len(ours) >= at_least
    differing = [
        (one["id"], key, one[key], other[key])
        for one, other in zip(ours, theirs, strict=True)
        for key in TEXTS
        if one[key] != other[key]
    ]
    settings = AnswerSettings.model_validate(yaml.safe_load((tmp_path / "vllm/settings.yaml").read_text()))
    for id, key, one, other in differing:
        assert is_tie(workflow.root / results, settings, policy, id, key), (id, key, one, other)
    assert len(differing) <= len(ours) // 10
    if policy == "thinking":
        assert all(row["prediction_raw"].startswith("<think>\n") for row in theirs)


def is_tie(results: Path, settings: AnswerSettings, policy: str, id: str, key: str) -> bool:
    """Whether somewhere in a greedy completion the two best logits are all but equal, so that rounding may choose."""
    from reinforced_cot.data.examples import read_examples
    from reinforced_cot.evaluation.answering import passes
    from reinforced_cot.generation.batching import Batch, shown_images
    from reinforced_cot.generation.rendering import started_turn
    from reinforced_cot.models.loading import load_model
    from reinforced_cot.models.processors import load_processor, vision_token_ids

    asked = next(asked for asked in passes(settings, read_examples(results / "data/test.jsonl")) if asked.name == key)
    shown = zip(asked.examples, asked.images, strict=True)
    example, images = next((one, images) for one, images in shown if one.id == id)
    processor = load_processor(results / policy / "model")
    model = load_model(results / policy / "model", settings.base_model)
    prompt = started_turn(processor, example, settings.prompt, asked.options.get("begin", "")).text
    opened = shown_images(Batch(0, [example], [images]), results / "data")
    with torch.no_grad():
        found = model.generate(
            **processor(text=[prompt], images=opened, return_tensors="pt"),
            max_new_tokens=asked.options["max_new_tokens"],
            suppress_tokens=vision_token_ids(processor),
            do_sample=False,
            output_scores=True,
            return_dict_in_generate=True,
        )
    best = torch.cat(found.scores).topk(2, dim=-1).values
    return bool((best[:, 0] - best[:, 1]).min() < TIE)


def test_samples_are_drawn_and_the_pipeline_ends_in_scores(digits: WorkflowCopy) -> None:
    """Through Snakemake, as users run it; the samples differ from each other and follow from the seed."""
    (digits.root / "engine.yaml").write_text(
        yaml.safe_dump({"answer": {"engine": "vllm", "samples": 3, "gpu_memory_utilization": 0.2}})
    )
    workflow = WorkflowCopy(digits.root, (*digits.options, "engine.yaml"))
    target = "results/smoke/sft/eval.json"
    workflow.snakemake("--cores", "2", "--", target)
    file = workflow.root / "results/smoke/sft/answers.jsonl"
    first = file.read_bytes()
    rows = [json.loads(line) for line in first.splitlines()]
    assert all(len(set(row["samples"])) > 1 for row in rows)
    assert json.loads((workflow.root / target).read_text())["sampled"]["samples_per_question"] == 3
    workflow.snakemake("--cores", "2", "--forcerun", "answer", "--", target)
    assert file.read_bytes() == first


def reinforced(
    digits: WorkflowCopy,
    output: Path,
    *options: str,
    origin: str = "sft",
    rewards: dict[str, float] | None = None,
    selection: dict[str, Any] | None = None,
    **changes: Any,
) -> "subprocess.CompletedProcess[str]":
    """Ten steps of RL with vLLM colocated; each draws its own rollouts. ``changes`` are of ``policy.training``."""
    results = digits.root / "results/smoke"
    settings = yaml.safe_load((results / "grpo/train.yaml").read_text())
    training = {"use_vllm": True, "vllm_max_model_length": 512, "max_completion_length": 32, "num_iterations": 1}
    settings["policy"]["rewards"] = rewards or settings["policy"]["rewards"]
    settings["policy"]["selection"] |= selection or {}
    settings["policy"]["training"] |= {**training, "max_steps": 10, "logging_steps": 1, "save_steps": 5}
    settings["policy"]["training"] |= {"vllm_gpu_memory_utilization": 0.2, **changes}
    output.with_suffix(".yaml").write_text(yaml.safe_dump(settings))
    script = Path(__file__).with_name("train_grpo_on_cpu.py")
    folders = ["--data", str(results / "data"), "--from", str(results / origin), "--output", str(output)]
    return run_script(str(script), "--settings", str(output.with_suffix(".yaml")), *folders, *options, cwd=digits.root)


@pytest.mark.parametrize(("name", "origin"), [("digits", "sft"), ("beside", "beside"), ("pairs", "sft")])
def test_rollouts_come_from_the_policy_that_is_trained(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, origin: str
) -> None:
    validated: dict[str, Any] = {"every": 5, "examples": 4, "batch_size": 4, "max_new_tokens": 32}
    run = reinforced(request.getfixturevalue(name), tmp_path / "grpo", origin=origin, selection=validated)
    assert run.returncode == 0, run.stderr[-5000:]
    metrics = json.loads((tmp_path / "grpo/metrics.json").read_text())
    history = metrics["history"]
    assert [entry["step"] for entry in metrics["validation"]] == [0, 5, 10]
    assert [entry["step"] for entry in history if "eval_accuracy" in entry] == [0, 5, 10]
    differences = [entry[DIFFERENCE] for entry in history if DIFFERENCE in entry]
    assert len(differences) == 10
    assert max(differences) < 0.02, differences
    shutil.rmtree(tmp_path / "grpo")


def test_rewards_get_what_the_prompt_has_opened(thinking: WorkflowCopy, tmp_path: Path) -> None:
    """Of the tags, a policy that knows nothing writes none; the prompt's own counts as written."""
    changes: dict[str, Any] = {"max_steps": 2, "save_steps": 2}
    run = reinforced(thinking, tmp_path / "grpo", origin="thinking", rewards={"tag_count": 1.0}, **changes)
    assert run.returncode == 0, run.stderr[-5000:]
    history = json.loads((tmp_path / "grpo/metrics.json").read_text())["history"]
    paid = [entry["rewards/tag_count_reward/mean"] for entry in history if "reward" in entry]
    assert len(paid) == 2 and min(paid) >= 0.25, paid
    differences = [entry[DIFFERENCE] for entry in history if DIFFERENCE in entry]
    assert len(differences) == 2 and max(differences) < 0.02, differences


def test_prompts_as_trl_sends_them_end_the_run(digits: WorkflowCopy, tmp_path: Path) -> None:
    """trl#6294: without the collapse the rollouts answer another prompt, and the check says so at the first step."""
    run = reinforced(digits, tmp_path / "grpo", "--uncollapsed")
    assert run.returncode == 1
    message = run.stderr.split("error: ")[-1]
    assert "vLLM's log-probabilities differ from the trainer's by" in message
    assert float(message.split("differ from the trainer's by ")[1].split()[0]) > 0.05
    assert not (tmp_path / "grpo/adapter").exists()


def test_rollouts_of_a_server(digits: WorkflowCopy, tmp_path: Path) -> None:
    """Started by the stage, asked with images and token ids, stopped; its policy is what it was started with."""
    changes: dict[str, Any] = {"vllm_mode": "server", "max_steps": 3, "learning_rate": 1e-9, "save_steps": 3}
    run = reinforced(digits, tmp_path / "grpo", "--without-weight-sync", "--topology", "cpu", **changes)
    said = (tmp_path / "grpo/vllm_server.log").read_text()
    assert run.returncode == 0, run.stderr[-5000:] + said[-5000:]
    history = json.loads((tmp_path / "grpo/metrics.json").read_text())["history"]
    differences = [entry[DIFFERENCE] for entry in history if DIFFERENCE in entry]
    assert len(differences) == 3
    assert max(differences) < 0.02, differences
    left = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"]]
    assert not [command for command in left if "serve" in command and str(digits.root) in " ".join(command)]


def test_a_job_with_a_server_has_gpus_for_both(tmp_path: Path) -> None:
    served = {
        "use_vllm": True,
        "vllm_mode": "server",
        "vllm_tensor_parallel_size": 2,
        "per_device_train_batch_size": 32,
    }
    policies = {"grpo": {"training": served}, "gspo": {"training": {"use_vllm": False, "vllm_mode": "colocate"}}}
    config = {"extends": "demo", "policies": policies, "launch": {"grpo": {"topology": "multi_gpu", "processes": 4}}}
    (tmp_path / "served.yaml").write_text(yaml.safe_dump(config))
    workflow = copy_workflow(REPO, tmp_path / "workflow", "--configfile", str(tmp_path / "served.yaml"))
    text = workflow.snakemake("--dry-run", "--cores", "8", "--resources", "gpu=6")
    found = dict(re.findall(r"wildcards: policy=(\w+)\n    resources: .*gpu=(\d+), topology=multi_gpu", text))
    assert found == {"grpo": "6", "gspo": "4"}
    assert "`launch.grpo` asks for 6 GPUs" in workflow.refusal("--resources", "gpu=5")


def test_a_teacher_behind_vllms_own_server(digits: WorkflowCopy, tmp_path: Path) -> None:
    """The tiny model as a teacher: every question is answered and counted, and an unknown model is one line."""
    results, port = digits.root / "results/smoke", free_port()
    model = results / "sft/model"
    serve = [
        "-m",
        "vllm.entrypoints.cli.main",
        "serve",
        str(model),
        "--served-model-name",
        "tiny",
        "--dtype",
        "float32",
    ]
    limits = ["--max-model-len", "512", "--gpu-memory-utilization", "0.2", "--enforce-eager"]
    with open(tmp_path / "server.log", "wb") as file:
        server = subprocess.Popen(
            [sys.executable, *serve, *limits, "--host", "127.0.0.1", "--port", str(port)],
            env=ENVIRONMENT,
            stdout=file,
            stderr=file,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, tmp_path / "server.log")
        teacher = {
            "by": "endpoint",
            "url": f"http://127.0.0.1:{port}/v1",
            "model": "tiny",
            "max_tokens": 16,
            "preview": 8,
        }
        chosen = ChainSet.model_validate({**teacher, "samples": 2})
        settings = TeacherSettings(name="tiny", seed=1, instruction="", teacher=teacher_of(chosen))
        run = ask(settings, results / "data", tmp_path)
        assert run.returncode == 0, run.stderr[-3000:]
        rows = [json.loads(line) for line in (tmp_path / "replies.jsonl").read_text().splitlines()]
        assert len(rows) == 8 and all(len(row["samples"]) == 2 for row in rows)
        assert any(text for row in rows for text in row["samples"])
        spent = json.loads((tmp_path / "spent.json").read_text())
        assert spent["requests"] == 16 and spent["refused"] == 0 and spent["input_tokens"] > 16 * 20
        unknown = settings.model_copy(update={"teacher": settings.teacher.model_copy(update={"model": "other"})})
        run = ask(unknown, results / "data", tmp_path)
        assert run.returncode == 1 and "knows no model other; it has tiny" in run.stderr
    finally:
        server.terminate()
        server.wait(60)


def ask(settings: TeacherSettings, data: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    asked = settings.as_dict()
    control = {key: asked["teacher"].pop(key) for key in CONTROL}
    (folder / "ask.yaml").write_text(yaml.safe_dump(asked))
    script = ["workflow/scripts/ask_teacher.py", "--settings", str(folder / "ask.yaml"), "--data", str(data)]
    script += ["--control", json.dumps(control)]
    files = ["--store", str(folder), "--output", str(folder / "replies.jsonl"), "--spent", str(folder / "spent.json")]
    return run_script(*script, *files, cwd=REPO)


def wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    while True:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(1)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
