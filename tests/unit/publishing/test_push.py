"""A policy is uploaded to a hub on loopback: what it holds then, failures, and an upload that goes on."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_uploads import READER, WRITER, Fault, UploadServer
from places import REPO
from pydantic import ValidationError
from tiny_run import TinyRun

from reinforced_cot.publishing.settings import Push

REPOSITORY = "someone/thinker"
CARD = "---\nlicense: mit\n---\n\n# sft\n"


@pytest.fixture
def hub() -> Iterator[UploadServer]:
    with UploadServer() as server:
        yield server


@pytest.fixture
def policy(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """A published model with its card."""
    folder = tmp_path / "sft"
    shutil.copytree(tiny_run.base / "model", folder / "model")
    shutil.copyfile(tiny_run.base / "model.json", folder / "model.json")
    (folder / "model_card.md").write_text(CARD)
    (folder / "model/.snakemake_timestamp").write_text("")  # no part of the model
    return folder


def push(hub: UploadServer, policy: Path, token: str | None = WRITER) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(policy / "home"), **({"HF_TOKEN": token} if token else {})}
    command = [sys.executable, "workflow/scripts/push.py", "--policy", str(policy), "--repo", REPOSITORY]
    run = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True)
    written = [file.read_bytes() for file in policy.rglob("*") if file.is_file()]
    assert not token or not any(token.encode() in text for text in [*written, run.stdout.encode(), run.stderr.encode()])
    return run


def expected(policy: Path) -> dict[str, bytes]:
    names = json.loads((policy / "model.json").read_text())["files"]
    files = {name: (policy / "model" / name).read_bytes() for name in names}
    return {**files, "README.md": CARD.encode(), ".gitattributes": b"*.safetensors filter=lfs\n"}


def test_the_hub_holds_the_folder_and_its_card(hub: UploadServer, policy: Path) -> None:
    run = push(hub, policy)
    assert run.returncode == 0, run.stderr
    repository = hub.repositories[REPOSITORY]
    assert repository.files == expected(policy) and repository.private
    said = json.loads((policy / "pushed.json").read_text())
    assert said["repo"] == REPOSITORY and said["commit"] == repository.commits[-1]
    assert any(".safetensors" in name for name in said["files"]) and len(hub.objects) == 1
    # Another policy takes its place: files that only the first had are deleted, those of both are not sent again.
    (policy / "model_card.md").write_text(CARD + "evaluated")
    repository.files["old.bin"] = b"old"
    hub.requests.clear()
    assert push(hub, policy).returncode == 0
    assert repository.files == expected(policy) | {"README.md": CARD.encode() + b"evaluated"}
    assert not [request for request in hub.requests if request.startswith("PUT")]


@pytest.mark.parametrize(
    ("token", "fault", "message"),
    [
        (None, None, "HF_TOKEN is not set: set it to a token with write access, from https://"),
        ("hf_unknown", None, "the hub does not know the token in HF_TOKEN"),
        (READER, None, f"the token in HF_TOKEN may not write to {REPOSITORY}"),
        (WRITER, Fault("/commit/", 403), f"the token in HF_TOKEN may not write to {REPOSITORY}"),
        (WRITER, Fault("/preupload/", 400), "fault"),
    ],
)
def test_a_failure_is_one_line(
    hub: UploadServer, policy: Path, token: str | None, fault: Fault | None, message: str
) -> None:
    hub.faults = [fault] if fault else []
    run = push(hub, policy, token)
    assert run.returncode == 1 and not (policy / "pushed.json").exists()
    assert "Traceback" not in run.stderr
    [line] = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: push to {REPOSITORY}: ") and message in line, line
    assert run.stderr.endswith(f"{line}\n")


@pytest.mark.parametrize("path", ["/repos/create", "/preupload/", "/objects/batch", "/storage/"])
def test_a_hub_that_fails_once_is_asked_again(hub: UploadServer, policy: Path, path: str) -> None:
    hub.faults = [Fault(path, 500)]
    run = push(hub, policy)
    assert run.returncode == 0, run.stderr
    assert hub.faults[0].times == 0 and hub.repositories[REPOSITORY].files == expected(policy)


def test_an_upload_that_broke_off_goes_on(hub: UploadServer, policy: Path) -> None:
    hub.faults = [Fault("/commit/", None, times=99)]  # behind the weights
    run = push(hub, policy)
    assert (
        run.returncode == 1 and "give the same command again; files that have arrived are not sent again" in run.stderr
    )
    assert not (policy / "pushed.json").exists() and len(hub.objects) == 1
    hub.faults.clear()
    hub.requests.clear()
    assert push(hub, policy).returncode == 0
    assert hub.repositories[REPOSITORY].files == expected(policy)
    assert not [request for request in hub.requests if request.startswith("PUT")]  # the weights were there


def test_other_bytes_on_the_hub_are_noticed(hub: UploadServer, policy: Path) -> None:
    hub.damage = lambda content: content.replace(b"license", b"Licence")
    run = push(hub, policy)
    assert run.returncode == 1 and "the hub holds other bytes than the folder: README.md" in run.stderr


def test_a_damaged_folder_is_not_pushed(hub: UploadServer, policy: Path) -> None:
    (policy / "model/config.json").write_text("{}")
    run = push(hub, policy)
    assert run.returncode == 1 and "config.json is damaged" in run.stderr and not hub.requests


@pytest.mark.parametrize(
    "repo", ["thinker", "a/b/c", "a b/c", "someone/", "-a/b", "a/b--c", "a/b..c", "a/b.git", "ä/b"]
)
def test_a_malformed_repository_is_refused(repo: str) -> None:
    with pytest.raises(ValidationError, match="a repository is named by owner and name"):
        Push(repo=repo)


def test_the_policy_stands_in_the_repository() -> None:
    assert Push(repo="someone/thinker-{policy}").repository("grpo") == "someone/thinker-grpo"
    assert Push(repo="a/b").repository("grpo") == "a/b" and Push().repository("grpo") == ""
