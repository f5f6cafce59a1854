"""A disk that is full, or too small: one clear line, nothing half-published, and the same command goes on later."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from reinforced_cot.disk_space import GIB, check_room, full_disk
from reinforced_cot.errors import PipelineError
from reinforced_cot.evaluation.answer_log import Answered, AnswerLog
from reinforced_cot.files import new_folder, write_json, write_jsonl
from reinforced_cot.interpreter import exit_with_message
from reinforced_cot.manifests import write_manifest

MIB = 2**20


@pytest.fixture
def full(disk: Path) -> Path:
    """A folder on it, which has 8 KiB left."""
    (disk / "results").mkdir()
    with open(disk / "filler", "wb") as file:
        file.write(bytes(MIB - 4 * 4096))
    return disk / "results"


def publish(folder: Path) -> None:
    with new_folder(folder / "model") as new:
        save_file({"weight": torch.zeros(2**16)}, new / "model.safetensors")
    write_manifest(folder / "model", folder / "model.json")


def log_answers(folder: Path) -> None:
    answered = Answered(ids=["a"], texts=[["long " * 10_000]], truncated=[[False]], seconds=1.0)
    AnswerLog(folder).append(0, "prediction_raw", 0, answered)


# What stages write, and by what.
WRITERS: dict[str, Callable[[Path], Any]] = {
    "eval.json": lambda folder: write_json(folder / "eval.json", {"a": "b" * MIB}),
    "predictions.jsonl": lambda folder: write_jsonl(folder / "predictions.jsonl", [{"a": "b" * MIB}]),
    "answers": log_answers,
    "model": publish,
    "optimizer.pt": lambda folder: torch.save({"state": torch.zeros(2**16)}, folder / "optimizer.pt"),
    "rng_state.pth": lambda folder: [torch.save(torch.zeros(10**3), folder / f"rng_{i}.pth") for i in range(9)],
    "image": lambda folder: Image.effect_noise((400, 400), 90).save(folder / "image.png"),
    "a copy": lambda folder: shutil.copyfile(torch.__file__, folder / "copy"),
}


@pytest.mark.parametrize("written", WRITERS)
def test_a_full_disk_is_one_clear_line(full: Path, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["stage.py", "--settings", f"{full}/absent/train.yaml", "--output", str(full)])
    with pytest.raises(SystemExit) as ended:
        exit_with_message(lambda: WRITERS[written](full))
    message = str(ended.value)
    assert re.match(
        rf"error: the disk of {full} is full \([\d.]+ MiB of 1.00 MiB free\): make room, then give the", message
    )
    assert "\n" not in message
    assert not {"eval.json", "predictions.jsonl", "model", "model.json"} & {path.name for path in full.iterdir()}


def test_the_same_command_goes_on_when_there_is_room(full: Path) -> None:
    for _ in range(2):
        with pytest.raises(Exception, match="No space left"):
            publish(full)
    with pytest.raises(OSError, match="No space left"):
        log_answers(full)
    (full.parent / "filler").unlink()
    publish(full)
    assert AnswerLog(full).read() == {}
    log_answers(full)
    assert list(AnswerLog(full).read()) == [("prediction_raw", 0)]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no space in this text"),
        OSError(13, "Permission denied"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),  # but there is room
    ],
)
def test_another_error_keeps_its_traceback(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["stage.py", "--output", str(tmp_path)])
    assert full_disk(error) is None

    def main() -> None:
        raise error

    with pytest.raises(type(error)):
        exit_with_message(main)


def test_the_cause_may_be_a_disk_that_is_full() -> None:
    wrapped = RuntimeError("saving failed")
    wrapped.__cause__ = OSError(28, "No space left on device", "/tmp/absent/x.pt")
    assert str(full_disk(wrapped)).startswith("the disk of /tmp is full")


def test_a_disk_without_room_is_refused_before_the_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    free = shutil.disk_usage(tmp_path).free
    output = tmp_path / "results/sft"
    check_room(output, GIB // 1024, "its checkpoint")
    assert not caplog.records
    message = rf"the disk of {tmp_path} has [\d.]+ GiB free, and its checkpoint take {free * 2 / GIB:.2f} GiB"
    with pytest.raises(PipelineError, match=message):
        check_room(output, free * 2, "its checkpoint")
    check_room(output, 0, "its checkpoint", possible=free * 2)
    assert "may take" in caplog.text


def test_what_is_deleted_first_counts_as_free(disk: Path) -> None:
    left = disk / "checkpoint-1"
    left.mkdir()
    (left / "optimizer.pt").write_bytes(bytes(MIB // 2))
    with pytest.raises(PipelineError):
        check_room(disk, 0.75 * MIB, "its checkpoint")
    check_room(disk, 0.75 * MIB, "its checkpoint", freed=[left])
