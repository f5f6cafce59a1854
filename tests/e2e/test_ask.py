"""`make ask`: one question about an image of one's own, whatever the question holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from workflow_copy import WorkflowCopy

RESULTS = "results/smoke"


def ask(run: WorkflowCopy, policy: str, question: str, *images: Path) -> "subprocess.CompletedProcess[str]":
    named = [part for image in images for part in ("--image", str(image))]
    command = [sys.executable, "workflow/scripts/ask.py", "--policy", f"{RESULTS}/{policy}", *named]
    environment = {**os.environ, "QUESTION": question, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=run.root, env=environment, capture_output=True, text=True)


def test_the_answer_is_that_of_the_evaluation(finished_run: WorkflowCopy) -> None:
    data = finished_run.root / RESULTS / "data"
    row = json.loads((data / "test.jsonl").read_text().splitlines()[0])
    answers = map(json.loads, (finished_run.root / RESULTS / "sft/predictions.jsonl").read_text().splitlines())
    [told] = [answer["prediction_raw"] for answer in answers if answer["id"] == row["id"]]
    run = ask(finished_run, "sft", row["question"], data / row["images"][0])
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(told) and "malformed: " in run.stdout  # this policy knows no form


@pytest.mark.parametrize(
    ("policy", "question", "file", "message"),
    [
        ("sft", " ", "a.png", "there is no image, or no question: make ask IMAGE="),
        ("sft", "<image> or <image>?", "a.png", "the question has 2 places <image>, and 1 images are given"),
        ("sft", "What?", "text.png", "not an image: "),
        ("sft", "What?", "absent.png", "missing image: "),
        ("none", "What?", "a.png", "results/smoke/none holds no model/; policies with a model: base, "),
    ],
)
def test_mistakes_are_one_line(
    finished_run: WorkflowCopy, tmp_path: Path, policy: str, question: str, file: str, message: str
) -> None:
    Image.new("RGB", (28, 28), "red").save(tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no image")
    run = ask(finished_run, policy, question, tmp_path / file)
    assert run.returncode == 1 and run.stderr.splitlines()[-1].startswith(f"error: {message}"), run.stderr


def test_the_question_never_passes_through_a_shell(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    image = tmp_path / 'it\'s $(touch pwned) `x` "y".png'
    Image.new("RGB", (28, 28), "red").save(image)
    question = "Is it $(touch pwned) `touch pwned` \"red\"; touch pwned 'or' not?"
    makefile = Path(__file__).parents[2] / "Makefile"
    command = ["make", "-f", str(makefile), "-o", "ready", "ask", f"BIN={Path(sys.executable).parent}", "READY=ready"]
    settings = [f"RESULTS={RESULTS}", "POLICY=sft", f"IMAGE={image}", f"QUESTION={question}"]
    run = subprocess.run([*command, *settings], cwd=finished_run.root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert not (finished_run.root / "pwned").exists()
