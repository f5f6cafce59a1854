"""Answering: each pass asks every question once, on however many processes and however often the job is killed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_run import TinyRun, with_several_images

from reinforced_cot.data.examples import write_examples
from reinforced_cot.errors import DataError
from reinforced_cot.evaluation import answering
from reinforced_cot.evaluation.answer_log import Answered, AnswerLog
from reinforced_cot.files import read_jsonl
from reinforced_cot.generation import transformers_engine
from reinforced_cot.paths import SCRIPTS

SCRIPT = SCRIPTS / "answer.py"


def ask(run: TinyRun, folder: Path, count: int = 4, shards: int = 1, **changes: Any) -> list[dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    settings, examples, log = run.settings(**changes).answer, run.examples[:count], AnswerLog(folder)
    for shard in range(shards):
        answering.answer(settings, examples, run.data, run.base / "model", log, shard, shards)
    return answering.collect(settings, examples, log)


EVERYTHING: dict[str, Any] = {
    "answer__samples": 2,
    "answer__direct": True,
    "answer__probes": 3,
    "answer__batch_size": 2,
}


def test_one_row_per_question_with_all_passes_of_the_settings(tiny_run: TinyRun, tmp_path: Path) -> None:
    rows = ask(tiny_run, tmp_path / "all", **EVERYTHING)
    assert [row["id"] for row in rows] == [example.id for example in tiny_run.examples[:4]]
    assert [len(row["samples"]) for row in rows] == [2] * 4
    assert [row["truncated"] for row in rows] == [True] * 4  # an untrained model does not end within four tokens
    assert all(row["direct_raw"] and row["direct_raw"] != row["prediction_raw"] for row in rows)
    for key in ("blank_image_raw", "shuffled_image_raw"):
        assert sum(row[key] is not None for row in rows) == 3
    greedy = ask(tiny_run, tmp_path / "greedy", answer__batch_size=2)
    further: dict[str, Any] = {"samples": [], "direct_raw": None, "blank_image_raw": None, "shuffled_image_raw": None}
    assert greedy == [row | further for row in rows]


def test_questions_about_several_images_have_all_passes(tiny_run: TinyRun, tmp_path: Path) -> None:
    """One to three images per question in a batch, blank ones and others' among them."""
    run = with_several_images(tiny_run)
    rows = ask(run, tmp_path / "together", 12, **{**EVERYTHING, "answer__probes": 12, "answer__batch_size": 12})
    assert all(row["direct_raw"] and row["blank_image_raw"] for row in rows)
    assert sum(row["shuffled_image_raw"] is None for row in rows) == 0
    assert rows[1]["instruction"].endswith("as in image 1 or image 2?")
    alone = {**EVERYTHING, "answer__samples": 0, "answer__probes": 12, "answer__batch_size": 1}
    assert ask(run, tmp_path / "alone", 12, **alone) == [{**row, "samples": []} for row in rows]


@pytest.mark.parametrize("shards", [2, 3, 20])  # 20: more than there are batches
def test_shards_share_the_work_and_change_nothing(tiny_run: TinyRun, tmp_path: Path, shards: int) -> None:
    # in the original: rank 0's samples only, padding duplicates counted twice
    rows = ask(tiny_run, tmp_path / "one", 6, **EVERYTHING)
    assert ask(tiny_run, tmp_path / "many", 6, shards, **EVERYTHING) == rows
    lines = [line for file in (tmp_path / "many").iterdir() for _, line in read_jsonl(file)]
    units = [(line["asked"], line["batch"]) for line in lines]
    assert len(units) == len(set(units)) == 3 + 3 + 6 + 2 + 2  # direct answers may be longer than these completions


@pytest.mark.parametrize(
    "line", [b"{}", b"3", b'{"asked": "a", "batch": 0, "ids": []}', b"[1]", b'{"a": "\xff"}', b"{"]
)
def test_a_damaged_batch_counts_as_not_answered(tmp_path: Path, line: bytes) -> None:
    log, answered = AnswerLog(tmp_path), Answered(["q"], [["line\u2028break"]], [[False]], 1.0)
    log.append(0, "samples", 1, answered)
    with open(tmp_path / "shard_0.jsonl", "ab") as file:
        file.write(line)
    log.append(0, "samples", 2, answered)
    assert log.read() == {("samples", 1): answered, ("samples", 2): answered}


def test_what_was_answered_is_not_asked_again(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    rows = ask(tiny_run, tmp_path / "log", 6, answer__batch_size=2)
    (file,) = (tmp_path / "log").iterdir()
    whole = file.read_text()
    file.write_text(whole[: whole.rindex("truncated")])  # killed while it wrote the third batch
    calls, stock = [], transformers_engine.generate_batch

    def counted(model: Any, processor: Any, batch: Any, *args: Any, **options: Any) -> Any:
        calls.append(batch.number)
        return stock(model, processor, batch, *args, **options)

    monkeypatch.setattr(transformers_engine, "generate_batch", counted)
    assert ask(tiny_run, tmp_path / "log", 6, answer__batch_size=2) == rows
    assert calls == [2]
    monkeypatch.setattr(transformers_engine, "load_model", fails_if_called)
    assert ask(tiny_run, tmp_path / "log", 6, answer__batch_size=2) == rows  # nothing left: no model is loaded


def test_a_missing_batch_is_an_error(tiny_run: TinyRun, tmp_path: Path) -> None:
    settings, log = tiny_run.settings().answer, AnswerLog(tmp_path)
    with pytest.raises(DataError, match="prediction_raw of question q0 is missing, or not part of this pass: run the"):
        answering.collect(settings, tiny_run.examples[:2], log)
    log.append(0, "prediction_raw", 0, Answered(["q0", "q1"], [["a"], ["b"]], [[False], [False]], 1.0))
    assert len(answering.collect(settings, tiny_run.examples[:2], log)) == 2
    with pytest.raises(DataError, match="prediction_raw of question q2 is missing, or not part"):
        answering.collect(settings, tiny_run.examples[:3], log)
    with pytest.raises(DataError, match="prediction_raw of question q1 is missing, or not part"):
        answering.collect(settings, tiny_run.examples[:1], log)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"red"', b'"rad"'), (b'"red"', b'"r\xe5d"'), (b'"batch": 1', b'"batch": 3'), (b'"ids"', b'"idz"'), (b"}", b"")],
)
def test_a_damaged_batch_is_asked_again(tmp_path: Path, old: bytes, new: bytes) -> None:
    log = AnswerLog(tmp_path)
    for batch, text in enumerate(("blue", "red")):
        log.append(0, "prediction_raw", batch, Answered([f"q{batch}"], [[text]], [[False]], 1.0))
    assert log.read().keys() == {("prediction_raw", 0), ("prediction_raw", 1)}
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    start = content.index(b'"batch": 1')
    file.write_bytes(content[:start] + content[start:].replace(old, new))
    assert log.read().keys() == {("prediction_raw", 0)}


def test_long_prompts_are_refused_before_the_model_is_loaded(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    monkeypatch.setattr(transformers_engine, "load_model", fails_if_called)
    with pytest.raises(DataError, match=r"with 2040 more do not fit into the model's 2048 positions"):
        ask(tiny_run, tmp_path, answer__max_new_tokens=2040)


@pytest.fixture
def command(tiny_run: TinyRun, tmp_path: Path) -> list[str]:
    """The stage's command for the untrained base as a policy, without its processes."""
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(tiny_run.settings(**EVERYTHING).answer.as_dict()))
    (tmp_path / "policy").mkdir()
    for name in ("model", "model.json"):
        (tmp_path / "policy" / name).symlink_to(tiny_run.base / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/images").symlink_to(tiny_run.data / "images")
    write_examples(tmp_path / "data/test.jsonl", tiny_run.examples[:12])
    folders = ["--data", str(tmp_path / "data"), "--policy", str(tmp_path / "policy")]
    return [sys.executable, str(SCRIPT), "--settings", str(tmp_path / "settings.yaml"), *folders]


def test_any_number_of_processes_writes_the_same_bytes(command: list[str], tmp_path: Path) -> None:
    written = set()
    for processes in (1, 3):
        run = [*command, "--topology", "cpu", "--processes", str(processes)]
        subprocess.run(run, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        written.add((tmp_path / "policy/answers.jsonl").read_bytes())
        assert not (tmp_path / "policy/partial_answers").exists()
        timing = json.loads((tmp_path / "policy/timing.json").read_text())
        assert timing["completions"] == 12 + 24 + 12 + 3 + 3
    assert len(written) == 1


def test_one_failing_process_ends_the_others_and_says_why(command: list[str], tmp_path: Path) -> None:
    image = next((tmp_path / "data/images").rglob("*.png"))
    (tmp_path / "data/images").unlink()
    (tmp_path / "data/images").mkdir()
    run = subprocess.run([*command, "--topology", "cpu", "--processes", "2"], capture_output=True, text=True)
    assert run.returncode == 1
    assert "error: shard" in run.stderr and "of 2 failed; see above" in run.stderr
    assert image.name[-4:] in run.stderr and "Traceback" not in run.stderr.split("error: ")[-1]
