"""A killed run goes on from its newest undamaged checkpoint, and nothing of another run is lost."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json
from reinforced_cot.manifests import write_manifest
from reinforced_cot.resuming import MANIFEST, claim_checkpoints, deciding, resume_point

RUN = {"settings": {"seed": 1}, "code": {"sft": "1f"}, "inputs": {"train.jsonl": "2e"}}
OTHERS = [
    {**RUN, "settings": {"seed": 2}},
    {**RUN, "code": {"sft": "1e"}},
    {**RUN, "inputs": {"train.jsonl": "2f"}},
    {key: value for key, value in RUN.items() if key != "inputs"},
]


def checkpoint(folder: Path, step: int | str, complete: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "optimizer.pt", *(["trainer_state.json"] if complete else [])):
        (path / name).write_bytes(b"some bytes of " + name.encode())
    if complete:
        write_manifest(path, path / MANIFEST)
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder that a run has left, with three complete checkpoints and one that was being written."""
    folder = tmp_path / "policy/checkpoints"
    claim_checkpoints(folder, RUN, None)
    for step in (2, 10, 9):
        checkpoint(folder, step)
    checkpoint(folder, 11, complete=False)
    (folder.parent / "tensorboard").mkdir()
    (folder.parent / "tensorboard/events").write_text("a curve")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_first_run_starts_afresh(tmp_path: Path) -> None:
    assert resume_point(tmp_path / "checkpoints", RUN) is None
    assert not (tmp_path / "checkpoints").exists()
    claim_checkpoints(tmp_path / "checkpoints", RUN, None)
    assert read_json(tmp_path / "checkpoints/fingerprint.json") == RUN


def test_the_newest_complete_checkpoint_is_taken(own: Path) -> None:
    before = files(own)
    assert resume_point(own, RUN) == own / "checkpoint-10"
    assert files(own) == before  # looking changes nothing
    claim_checkpoints(own, RUN, own / "checkpoint-10")
    assert sorted(path.name for path in own.glob("checkpoint-*")) == ["checkpoint-10", "checkpoint-2", "checkpoint-9"]
    assert resume_point(own, RUN) == own / "checkpoint-10"


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json", MANIFEST])
@pytest.mark.parametrize("damage", ["emptied", "cut", "flipped", "missing"])
def test_a_damaged_checkpoint_is_passed_over_and_kept(
    own: Path, caplog: pytest.LogCaptureFixture, name: str, damage: str
) -> None:
    file = own / "checkpoint-10" / name
    content = file.read_bytes()
    changed = {"emptied": b"", "cut": content[: len(content) // 2], "flipped": b"#" + content[1:]}
    file.unlink() if damage == "missing" else file.write_bytes(changed[damage])
    assert resume_point(own, RUN) == own / "checkpoint-9"
    assert "checkpoint-10 cannot be used" in caplog.text
    damaged = files(own / "checkpoint-10")
    claim_checkpoints(own, RUN, own / "checkpoint-9")
    assert files(own / "replaced-1/checkpoint-10") == damaged
    assert resume_point(own, RUN) == own / "checkpoint-9"


def test_without_a_complete_checkpoint_a_run_starts_afresh(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    claim_checkpoints(tmp_path, RUN, None)
    checkpoint(tmp_path, 2, complete=False)
    assert resume_point(tmp_path, RUN) is None
    assert "has no complete checkpoint" in caplog.text


def test_copies_under_other_names_are_left_to_the_user(own: Path) -> None:
    """`Trainer` takes checkpoint-30-backup for the checkpoint of step 30, and deletes it when there are too many."""
    backup = shutil.copytree(own / "checkpoint-10", own / "checkpoint-30-backup")
    kept = files(backup)
    assert resume_point(own, RUN) == own / "checkpoint-10"
    claim_checkpoints(own, RUN, own / "checkpoint-10")
    assert not list(own.glob("checkpoint-30*"))
    assert files(own / "copies-1/checkpoint-30-backup") == kept


@pytest.mark.parametrize("other", OTHERS)
def test_another_runs_checkpoints_are_moved_aside(
    own: Path, caplog: pytest.LogCaptureFixture, other: dict[str, Any]
) -> None:
    before = files(own)
    assert resume_point(own, other) is None
    assert "4 checkpoints of another run, which are moved aside when training starts; what differs: " in caplog.text
    assert files(own) == before  # a run that is refused has changed nothing
    claim_checkpoints(own, other, None)
    assert not list(own.glob("checkpoint-*")) and read_json(own / "fingerprint.json") == other
    moved = {name: content for name, content in before.items() if "checkpoint-11" not in name}
    assert files(own / "replaced-1") == moved | {"tensorboard/events": b"a curve"}
    assert not (own.parent / "tensorboard").exists()
    # And back again: nothing is taken up, nothing is lost.
    checkpoint(own, 4)
    assert resume_point(own, RUN) is None
    claim_checkpoints(own, RUN, None)
    assert (own / "replaced-2/checkpoint-4").is_dir() and (own / "replaced-1/checkpoint-10").is_dir()


def test_a_folder_of_an_earlier_move_is_never_written_to(own: Path) -> None:
    kept = own / "replaced-2/checkpoint-10"
    kept.mkdir(parents=True)
    for number in (1, 3):
        claim_checkpoints(own, OTHERS[number - 1], None)
        assert (own / f"replaced-{number}").is_dir()
        checkpoint(own, 10)
    assert files(kept) == {}


def test_what_differs_is_said(own: Path, caplog: pytest.LogCaptureFixture) -> None:
    resume_point(own, OTHERS[0])
    assert caplog.text.rstrip().endswith("what differs: settings.seed 1 -> 2")


@pytest.mark.parametrize("left", ["nothing", "half"])
def test_checkpoints_without_a_fingerprint_are_another_runs(
    own: Path, caplog: pytest.LogCaptureFixture, left: str
) -> None:
    (own / "fingerprint.json").write_text('{"sett') if left == "half" else (own / "fingerprint.json").unlink()
    assert resume_point(own, RUN) is None
    assert "what differs: it left no fingerprint" in caplog.text
    claim_checkpoints(own, RUN, None)
    assert (own / "replaced-1/checkpoint-10").is_dir() and read_json(own / "fingerprint.json") == RUN


def test_a_linked_folder_is_dealt_with_behind_its_link(own: Path, tmp_path: Path) -> None:
    """Removing a link removes nothing: the other run's checkpoints were taken up under the new fingerprint."""
    own.rename(tmp_path / "other_disk")
    own.symlink_to(tmp_path / "other_disk")
    assert resume_point(own, RUN) == own / "checkpoint-10"
    claim_checkpoints(own, OTHERS[0], None)
    assert own.is_symlink() and resume_point(own, OTHERS[0]) is None
    assert (tmp_path / "other_disk/replaced-1/checkpoint-10").is_dir()


def test_no_fingerprint_is_written_over_checkpoints_that_stay(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reinforced_cot.resuming.move", lambda *_: None)
    with pytest.raises(DataError, match=r"checkpoint-\d+ belongs to another run and could not be moved away"):
        claim_checkpoints(own, OTHERS[0], None)
    assert read_json(own / "fingerprint.json") == RUN


def test_settings_that_change_no_weight_do_not_part_runs() -> None:
    def settings(**changes: Any) -> dict[str, Any]:
        training = {"learning_rate": 0.1, "save_total_limit": 3, "logging_steps": 5, "dataloader_num_workers": 0}
        policy = {"training": training | changes.get("training", {}), "probes": changes.get("probes")}
        base_model = {"dtype": "float32", "vision_cache_gib": 50.0, **changes.get("base_model", {})}
        prompt = {"system": None, **changes.get("prompt", {})}
        return {"seed": 1, "prompt": prompt, "base_model": base_model, "policy": policy}

    first = deciding(settings())
    free: list[dict[str, Any]] = [
        {"training": {"save_total_limit": 2}},
        {"training": {"logging_steps": 1, "dataloader_num_workers": 4}},
        {"prompt": {"max_tokens": 8}},
        {"base_model": {"vision_cache_gib": 1.0}},
        {"probes": {"every": 3}},
    ]
    for changes in free:
        assert deciding(settings(**changes)) == first, changes
    bound: list[dict[str, Any]] = [
        {"training": {"learning_rate": 0.2}},
        {"prompt": {"system": "x"}},
        {"base_model": {"dtype": "bfloat16"}},
        {"training": {"max_steps": 7}},
    ]
    for changes in bound:
        assert deciding(settings(**changes)) != first, changes
