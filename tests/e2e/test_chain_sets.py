"""Sets of chains, samples and pass rates in a whole run: made once, filtered apart, killed and taken up again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml
from teacher_server import MODEL, TeacherServer
from workflow_copy import WorkflowCopy

from reinforced_cot.data.completions import completion_text

PACKAGE = "workflow/scripts/reinforced_cot"
RESULTS = "results/smoke"
CHAIN = (
    "The picture shows several handwritten figures on a dark ground. I find the digit that is asked for by its place "
    "and read it twice. So the answer is {}."
)
DESCRIBE = f'''
def describe(record):
    """Of every second record."""
    if int(record["id"].split("-")[-2]) % 2:
        return None
    return {CHAIN!r}.format(record["answers"][0])
'''
CONFIG = {
    "report": ["base", "taught", "rated"],
    "chains": {"mine": {"by": "my_chains:describe"}},
    "policies": {
        "taught": {"like": "sft", "chains": "mine", "examples": None},
        "rated": {
            **{"like": "grpo", "from": "taught", "pass_rate": {"of": "base", "samples": 3, "keep": [0.0, 1.0]}},
            "selection": {"every": 2, "examples": 4, "max_new_tokens": 16},
        },
    },
}


@pytest.fixture(scope="module")
def workflow(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    root = tmp_path_factory.mktemp("chains") / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    (root / "my_chains.py").write_text(DESCRIBE)
    (root / "sets.yaml").write_text(yaml.safe_dump(CONFIG))
    return WorkflowCopy(root, (*finished_run.options, "sets.yaml"))


def test_sampling_that_is_killed_goes_on_where_it_stood(workflow: WorkflowCopy) -> None:
    samples = workflow.root / RESULTS / "samples/base.jsonl"
    target = f"{RESULTS}/samples/base.jsonl"
    workflow.snakemake("--cores", "1", "--", target)
    undisturbed = samples.read_bytes()
    samples.unlink()
    settings = workflow.root / RESULTS / "samples/base.yaml"
    command = [sys.executable, "workflow/scripts/sample.py", "--settings", str(settings), "--output", str(samples)]
    folders = ["--data", str(workflow.root / RESULTS / "data"), "--policy", str(workflow.root / RESULTS / "base")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    job = subprocess.Popen([*command, *folders, "--topology", "cpu"], cwd=workflow.root, env=environment)
    partial = samples.parent / ".base/partial_answers/shard_0.jsonl"
    while not (partial.exists() and partial.read_bytes().count(b'"asked"') >= 2):
        assert job.poll() is None
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    job.wait()
    done = partial.read_bytes().count(b'"asked"')
    assert not samples.exists() and done >= 2
    subprocess.run([*command, *folders, "--topology", "cpu"], cwd=workflow.root, env=environment, check=True)
    assert samples.read_bytes() == undisturbed and not partial.exists()
    rows = [json.loads(line) for line in undisturbed.splitlines()]
    assert len(rows) == 64 and all(len(row["samples"]) == 3 for row in rows)


def test_a_run_with_a_set_of_ones_own_and_with_pass_rates(workflow: WorkflowCopy) -> None:
    workflow.snakemake("--cores", "2")
    results = workflow.root / RESULTS
    made = json.loads((results / "chains/mine.json").read_text())
    assert made["questions"] == 64 and made["chains"] == made["completions"] == 32 and made["rejected"] == {}
    assert json.loads((results / "taught/metrics.json").read_text())["steps"] == 2 * 32 // 8
    rates = json.loads((results / "rated/pass_rates.json").read_text())
    assert rates["samples"] == 3 and sum(rates["histogram"]) == len(rates["right"]) == 64
    assert "64 of 64 questions have a pass rate from 0 to 1" in (results / "logs/rated/grpo.log").read_text()
    metrics = json.loads((results / "rated/metrics.json").read_text())  # validated while it was trained
    assert [entry["step"] for entry in metrics["validation"]] == [0, 2, 4]
    assert metrics["best_checkpoint"] == "checkpoint-4"  # of equal ones the later
    page = (results / "report.html").read_text()
    assert (
        "Share of right answers to questions of val" in page and "What policies wrote while they were trained" in page
    )
    assert "Chains of thought that were made" in page and "Pass rates of the training questions" in page
    assert "several handwritten figures on a dark ground" in page
    assert workflow.planned() == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        (f"{PACKAGE}/judging/consistency.py", "UNRELATED_WORDS = 3, 10", "UNRELATED_WORDS = 3, 11", "filter_chains"),
        ("my_chains.py", "several handwritten figures", "some handwritten figures", "filter_chains"),
        (
            f"{PACKAGE}/chains/filters.py",
            "SHOWN, _SHOWN_PER_REASON = 10, 3",
            "SHOWN, _SHOWN_PER_REASON = 10, 4",
            "filter_chains",
        ),
        (f"{PACKAGE}/chains/samples.py", "range(count + 1)", "range(1 + count)", "pass_rates"),
    ],
)
def test_what_a_change_makes_stale_draws_no_sample(
    workflow: WorkflowCopy, file: str, old: str, new: str, stale: str
) -> None:
    workflow.edit(file, old, new)
    planned = workflow.planned()
    workflow.edit(file, new, old)
    assert planned[stale] == 1 and "sample" not in planned, planned


def test_a_set_with_too_few_chains_is_refused_before_sft(workflow: WorkflowCopy) -> None:
    (workflow.root / "few.yaml").write_text(yaml.safe_dump({"chains": {"mine": {"max_words": 3, "min_chains": 20}}}))
    few = WorkflowCopy(workflow.root, (*workflow.options, "few.yaml"))
    few.snakemake("--cores", "1", "--", f"{RESULTS}/chains/mine.jsonl", check=False)
    log = (workflow.root / RESULTS / "logs/chains/mine.log").read_text()
    assert "the set mine has 0 chains, fewer than chains.mine.min_chains (20); of 32 completions to 64 questions" in log
    assert "longer than 3 words 32" in log
    refused = json.loads((workflow.root / RESULTS / "chains/mine.refused.json").read_text())
    assert refused["refused"][0]["reason"] == "longer than 3 words"


def test_a_circle_through_chains_is_refused_at_dry_run(workflow: WorkflowCopy) -> None:
    (workflow.root / "circle.yaml").write_text(
        yaml.safe_dump({"chains": {"mine": {"by": "policy", "policy": "rated"}}})
    )
    circle = WorkflowCopy(workflow.root, (*workflow.options, "circle.yaml"))
    assert "leads back to rated: rated <- taught <- rated (by `chains.mine.policy`)" in circle.refusal()


NO_PRICE = {"price": None, "max_cost": None}


def seen(question: str, seed: int) -> str:
    """What the loopback teacher writes: it says red of every color, and 7 of every digit."""
    answer = "red" if "color" in question and seed % 3 else "7"
    return completion_text(CHAIN.format(answer), answer)


def test_a_teacher_that_is_killed_is_asked_nothing_twice(workflow: WorkflowCopy) -> None:
    """SIGKILL in the middle of asking: the same replies, and at most as many requests again as were under way."""
    with TeacherServer(seen) as server:
        server.delay = 0.1
        teacher = {"by": "endpoint", "url": server.url, "model": MODEL, "samples": 2, "concurrency": 4}
        (workflow.root / "teacher.yaml").write_text(yaml.safe_dump({"chains": {"far": teacher}}))
        asked = WorkflowCopy(workflow.root, (*workflow.options[:-1], "teacher.yaml"))
        folder, target = workflow.root / RESULTS / "chains", f"{RESULTS}/chains/far.replies.jsonl"
        asked.snakemake("--cores", "1", "--", f"{RESULTS}/chains/far.ask.yaml")
        command = [sys.executable, "workflow/scripts/ask_teacher.py", "--settings", str(folder / "far.ask.yaml")]
        command += [
            "--data",
            str(workflow.root / RESULTS / "data"),
            "--store",
            str(workflow.root / RESULTS / "replies"),
        ]
        command += ["--output", str(workflow.root / target), "--spent", str(folder / "far.spent.json")]
        control = {"url": server.url, "key_env": None, "concurrency": 4, "requests_per_minute": None, "timeout": 9.0}
        command += ["--control", json.dumps({**control, **{"tries": 3, "max_requests": None}, **NO_PRICE})]
        job = subprocess.Popen(command, cwd=workflow.root)
        while sum(server.asked.values()) < 40:
            assert job.poll() is None
            time.sleep(0.02)
        job.send_signal(signal.SIGKILL)
        job.wait()
        assert not (workflow.root / target).exists()
        server.delay = 0.0
        asked.snakemake("--cores", "1", "--", target)
        again = sum(count - 1 for count in server.asked.values())
        assert len(server.asked) == 128 and again <= 4
        first = (workflow.root / target).read_bytes()
        (workflow.root / target).unlink()
        asked.snakemake("--cores", "1", "--", target)
        assert (workflow.root / target).read_bytes() == first and sum(server.asked.values()) == 128 + again
        asked.snakemake("--cores", "1", "--", f"{RESULTS}/chains/far.jsonl")
        made = json.loads((folder / "far.json").read_text())
        assert made["completions"] == 128 and made["spent"]["requests"] == 128 and made["rejected"]["wrong answer"] > 10
        assert made["teacher"]["model"] == MODEL and "<think>" in made["teacher"]["prompt"]
        # How it is asked decides no reply.
        changed = {**teacher, "concurrency": 2, "timeout": 9.0, "tries": 2, "max_requests": 500}
        (workflow.root / "teacher.yaml").write_text(yaml.safe_dump({"chains": {"far": changed}}))
        assert asked.planned("--", f"{RESULTS}/chains/far.jsonl") == {}
        assert "far: " in (workflow.root / RESULTS / "logs/chains/far.log").read_text()


def test_a_preview_tells_yield_and_cost_and_stops(workflow: WorkflowCopy) -> None:
    with TeacherServer(seen) as server:
        teacher = {"by": "endpoint", "url": server.url, "model": MODEL, "price": {"input": 1.0, "output": 2.0}}
        (workflow.root / "preview.yaml").write_text(yaml.safe_dump({"chains": {"near": {**teacher, "preview": 16}}}))
        asked = WorkflowCopy(workflow.root, (*workflow.options[:-1], "preview.yaml"))
        asked.snakemake("--cores", "1", "--", f"{RESULTS}/chains/near.jsonl", check=False)
        log = (workflow.root / RESULTS / "logs/chains/near.log").read_text()
        assert "of 16 questions have a chain that passes the filters" in log
        assert "All 64 questions would take 64 requests, 6,400 tokens in and 1,280 out, and cost 0.00896" in log
        assert sum(server.asked.values()) == 16
