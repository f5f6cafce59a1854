"""Models and data sets by hub id and commit, against a real server that speaks the hub's protocol on loopback."""

import csv
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_server import STRANGER, TOKEN, HubServer, Repository
from PIL import Image
from places import SCRIPTS
from workflow_copy import WorkflowCopy, copy_workflow

FIRST, SECOND, ABSENT = "a" * 40, "b" * 40, "c" * 40
SPLITS = {"train": "train", "val": "validation", "test": "test"}
NOBODY = "http://127.0.0.1:9"  # no server listens
OFFLINE = {"HF_ENDPOINT": NOBODY, "HF_HUB_OFFLINE": "1"}
ROWS = 5
MENDED = "is mended"  # stands in the list of requests
NOTES = "notes.txt"  # a file of several of the pieces in which the library writes a download to disk
CARD = """---
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
  - {split: validation, path: data/validation-*}
  - {split: test, path: data/test-*}
---
# Cars
"""


def photo(number: int, seed: int) -> bytes:
    """A pattern of its own for each pair of numbers."""
    file, content = io.BytesIO(), random.Random(f"{number} {seed}").randbytes(4 * 4 * 3)
    Image.frombytes("RGB", (4, 4), content).resize((56, 56), Image.Resampling.NEAREST).save(file, format="PNG")
    return file.getvalue()


def parquet_files(folder: Path, answer: str) -> Path:
    """A data set as `push_to_hub` lays it out: the images' bytes in the rows."""
    from pyarrow import Table, parquet

    (folder / "data").mkdir(parents=True)
    for place, split in enumerate(SPLITS.values()):
        images = [{"bytes": photo(n, place), "path": f"{n}.png"} for n in range(ROWS)]
        texts = {"question": ["Is it dark?"] * ROWS, "answer": [answer] * ROWS, "cot": ["I look."] * ROWS}
        file = folder / "data" / f"{split}-00000-of-00001.parquet"
        parquet.write_table(Table.from_pydict({"image": images, **texts}), file)
    (folder / "README.md").write_text(CARD)
    return folder


def image_folders(folder: Path) -> Path:
    """A data set of image files, each split with a metadata.csv that names them."""
    for place, split in enumerate(SPLITS.values()):
        (folder / split).mkdir(parents=True)
        with open(folder / split / "metadata.csv", "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file_name", "question", "answer", "cot"])
            for number in range(ROWS):
                (folder / split / f"{number}.png").write_bytes(photo(number, place))
                rows.writerow([f"{number}.png", "Is it dark?", "yes", "I look."])
    return folder


def checkpoint(folder: Path) -> Path:
    """A tiny model in several shards, with its weights as a pickle beside them."""
    from reinforced_cot.base import tiny_model
    from reinforced_cot.models.settings import ModelSizes

    tokenizer = tiny_model.build_tokenizer(["Is it dark? I look. yes no"], 400)
    sizes = ModelSizes(hidden_size=32, num_hidden_layers=2, intermediate_size=48, vision_depth=1)
    tiny_model.build_model(tokenizer, sizes).save_pretrained(folder, max_shard_size="100KB")
    tiny_model.build_processor(tokenizer).save_pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    return folder


@dataclass
class Stage:
    """A stage script that was started in a folder of its own."""

    process: "subprocess.Popen[bytes]"
    output: Path
    log: Path

    def text(self) -> str:
        """Its output, after it has ended well."""
        assert self.process.wait() == 0, self.log.read_text()[-5000:]
        return self.log.read_text()

    def error(self) -> str:
        """The one line that it ended with."""
        assert self.process.wait() == 1, self.log.read_text()[-5000:]
        text = self.log.read_text()
        assert "Traceback" not in text, text[-5000:]
        (line,) = [line for line in text.splitlines() if "error: " in line]
        assert text.rstrip().endswith(line) and line.startswith("error: ")
        return line


class Hub:
    """The server with its repositories, and folders for what stages make of them."""

    def __init__(self, server: HubServer, root: Path) -> None:
        self.server, self.root, self._started = server, root, 0
        cars = {FIRST: parquet_files(root / "cars-1", "yes"), SECOND: parquet_files(root / "cars-2", "no")}
        model = {FIRST: checkpoint(root / "model")}
        (root / "model" / NOTES).write_bytes(b"All is well.\n" * 2_000_000)
        train = f"{SPLITS['train']}-00000-of-00001.parquet"
        self.cars = self.add("datasets", "cars", cars, cut_name=train, cuts=100)
        self.model_of_cars = self.add("models", "cars", model, cut_name=NOTES, cuts=100)
        self.add("datasets", "folders", {FIRST: image_folders(root / "folders")}, gated=True)
        for kind, commits in (("datasets", cars), ("models", model)):
            self.add(kind, "gated", commits, gated=True)
            self.add(kind, "fails", commits, fails=True)
            self.add(kind, "fresh", commits)
        self.add("models", "slow", model, delay=3)

    def add(self, kind: Any, name: str, commits: dict[str, Path], **faults: Any) -> Repository:
        return self.server.add(Repository(kind, f"owner/{name}", commits, **faults))

    def asked(self, kind: str) -> list[str]:
        """The requests of owner/cars of one kind so far."""
        requests = [request for request in self.server.requests if "/owner/cars/" in request]
        return [request for request in requests if ("/datasets/" in request) == (kind == "datasets")]

    def environment(self, home: str, **further: str) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {"HF_ENDPOINT": self.server.url, "HF_HOME": str(self.root / home), "OMP_NUM_THREADS": "1"}
        return {**environment, **own, "PYTHONUTF8": "1", **further}

    def data(self, name: str, home: str, revision: str = FIRST, environment: Any = (), **keys: Any) -> Stage:
        """`prepare_data` of the training split of a repository."""
        source = {"source": "table", "hub": f"owner/{name}", "revision": revision, **keys}
        settings = {"digits": None, "max_rejected_share": 0.0, "sources": [source]}
        return self._start("prepare_data", settings, home, dict(environment), "--split", "train")

    def model(self, name: str, home: str, revision: str = FIRST, environment: Any = ()) -> Stage:
        """`base_model` of a repository."""
        settings = {"base_model": {"path": f"owner/{name}", "revision": revision}}
        return self._start("base_model", settings, home, dict(environment), "--data", "none")

    def _start(self, script: str, settings: dict[str, Any], home: str, further: dict[str, str], *more: str) -> Stage:
        self._started += 1
        folder = self.root / f"stage-{self._started}"
        folder.mkdir()
        settings |= {"seed": 1, "image": {"min_pixels": 784, "max_pixels": 50176}}
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        command = [sys.executable, str(SCRIPTS / f"{script}.py"), *more]
        command += ["--settings", "settings.yaml", "--output", "made"]
        with open(folder / "log", "wb") as log:
            environment = self.environment(home, **further)
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        return Stage(process, folder / "made", folder / "log")


TERMS = "accept its terms on https://huggingface.co/{page}, then set HF_TOKEN to a token"
NO_ACCESS = "the account of your token has no access: accept the terms on https://huggingface.co/{page} with that"
REFUSED = "the hub refuses your token: set HF_TOKEN to a token"
PRIVATE = "or it is private: check its name; if it is private, set HF_TOKEN"
FAULTS: dict[str, tuple[str, str, dict[str, str], str]] = {
    "cut": ("cars", FIRST, {}, "the download broke off (peer closed connection without sending complete message body"),
    "unreachable": ("fresh", FIRST, {"HF_ENDPOINT": NOBODY}, f"the hub cannot be reached at {NOBODY}"),
    "fails": ("fails", FIRST, {}, "the hub fails (status 500): give the same command again later"),
    "gated": ("gated", FIRST, {}, TERMS),
    "gated for this account": ("gated", FIRST, {"HF_TOKEN": STRANGER}, NO_ACCESS),
    "wrong token": ("gated", FIRST, {"HF_TOKEN": "hf_wrong"}, REFUSED),
    "absent": ("absent", FIRST, {}, PRIVATE),
    "absent commit": ("fresh", ABSENT, {}, "there is no such commit; https://huggingface.co/{page}/commits/main"),
    "offline": ("fresh", FIRST, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set, and the "),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with HubServer() as server:
        yield Hub(server, tmp_path_factory.mktemp("hub"))
        assert server.leaked == []


@pytest.fixture(scope="module")
def failed(hub: Hub) -> dict[tuple[str, str], Stage]:
    """A stage for each fault and kind of repository, all at once: they mostly wait between tries."""
    started = {}
    for fault, (name, commit, environment, _) in FAULTS.items():
        for kind, stage in (("datasets", hub.data), ("models", hub.model)):
            home = "run" if fault == "cut" else f"{kind} {fault}"
            started[kind, fault] = stage(name, home, commit, environment)
    started["models", "slow"] = hub.model("slow", "models slow", FIRST, {"HF_HUB_DOWNLOAD_TIMEOUT": "1"})
    return started


@pytest.fixture(scope="module")
def workflow(repo: Path, hub: Hub, failed: dict[tuple[str, str], Stage]) -> WorkflowCopy:
    """Data and base of a run whose data set and model are on the hub, after both downloads broke off."""
    for kind, repository in (("datasets", hub.cars), ("models", hub.model_of_cars)):
        failed[kind, "cut"].process.wait()
        repository.cuts = 0
        hub.server.requests.append(f"/{kind}/owner/cars/ {MENDED}")
    root = hub.root / "workflow"
    splits = {split: {"hub": "owner/cars", "revision": FIRST, "size": None} for split in SPLITS}
    config = {
        "extends": "demo",
        "data": {"source": "table", "splits": splits},
        "base_model": {"path": "owner/cars", "revision": FIRST},
    }
    targets = ("results/data/summary.json", "results/base/model.json")
    workflow = copy_workflow(repo, root, *targets, "--configfile", "own.yaml")
    (root / "own.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HF_")]:
            patch.delenv(name)
        for name, value in hub.environment("run").items():
            patch.setenv(name, value)
        workflow.snakemake("--cores", "2")
    return workflow


def test_a_run_of_a_data_set_and_a_model(workflow: WorkflowCopy, hub: Hub) -> None:
    results = workflow.root / "results"
    counts = json.loads((results / "data/summary.json").read_text())["splits"]
    assert {split: counts[split]["questions"] for split in counts} == dict.fromkeys(SPLITS, ROWS)
    facts = json.loads((results / "base/model.json").read_text())
    assert (facts["source"], facts["revision"]) == ("owner/cars", FIRST)
    shards = {path.name for path in (hub.root / "model").glob("*.safetensors")}
    assert len(shards) == 6 and shards < facts["files"].keys()
    asked = hub.asked("models")
    assert any("00006-of-00006.safetensors" in request for request in asked)
    assert not any("pytorch_model.bin" in request for request in asked)  # a pickle runs code


def test_a_download_goes_on(workflow: WorkflowCopy, hub: Hub) -> None:
    """One command goes on from the byte where it broke off. The next command fetches only what was not complete."""
    asked = hub.asked("models")
    mended = next(place for place, request in enumerate(asked) if request.endswith(MENDED))
    fetched = [
        [request for request in part if request.startswith("GET /")] for part in (asked[:mended], asked[mended:])
    ]
    assert any(NOTES in request and "bytes=" in request and "bytes=0-" not in request for request in fetched[0])
    (again,) = fetched[1]
    assert again.endswith(NOTES)
    assert (workflow.root / "results/base/model" / NOTES).read_bytes() == (hub.root / "model" / NOTES).read_bytes()


def test_offline_afterwards(workflow: WorkflowCopy, hub: Hub) -> None:
    """The same bytes and no request, whichever commit was read last."""
    second = hub.data("cars", "run", SECOND)
    second.text()
    before = len(hub.asked("datasets")), len(hub.asked("models"))
    # For the model, the server is still there.
    model = hub.model("cars", "run", environment={"HF_HUB_OFFLINE": "1"})
    again = {commit: hub.data("cars", "run", commit, OFFLINE) for commit in (FIRST, SECOND)}
    for stage in (model, *again.values()):
        stage.text()
    results = workflow.root / "results"
    first = (results / "data/train.jsonl").read_bytes()
    assert (again[FIRST].output / "train.jsonl").read_bytes() == first and b'"no"' not in first
    other = (second.output / "train.jsonl").read_bytes()
    assert (again[SECOND].output / "train.jsonl").read_bytes() == other and b'"no"' in other
    shards = [file.name for file in (hub.root / "model").glob("*.safetensors")]
    facts = [json.loads((base / "model.json").read_text())["files"] for base in (results / "base", model.output)]
    assert all(facts[0][name] == facts[1][name] for name in [*shards, "config.json", "tokenizer.json"])
    assert (len(hub.asked("datasets")), len(hub.asked("models"))) == before


def test_a_token_opens_a_gated_folder_of_images(hub: Hub) -> None:
    online = hub.data("folders", "folders", environment={"HF_TOKEN": TOKEN})
    online.text()
    offline = hub.data("folders", "folders", environment=OFFLINE)  # without the token
    offline.text()
    rows = (online.output / "train.jsonl").read_bytes()
    assert len(rows.splitlines()) == ROWS and (offline.output / "train.jsonl").read_bytes() == rows


@pytest.mark.parametrize("kind", ["datasets", "models"])
@pytest.mark.parametrize("fault", FAULTS)
def test_each_failure_is_one_clear_line(failed: dict[tuple[str, str], Stage], kind: str, fault: str) -> None:
    name, commit, _, says = FAULTS[fault]
    line = failed[kind, fault].error()
    start = "hub" if kind == "datasets" else "base_model.path"
    page = f"owner/{name}" if kind == "models" else f"datasets/owner/{name}"
    assert line.startswith(f"error: {start} owner/{name}, revision {commit[:12]}"), line
    assert says.format(page=page) in line, line


def test_a_download_that_stalls(failed: dict[tuple[str, str], Stage], hub: Hub) -> None:
    assert f"the hub cannot be reached at {hub.server.url} (timed out)" in failed["models", "slow"].error()


def test_splits_and_configurations_that_there_are_are_named(hub: Hub) -> None:
    split = hub.data("fresh", "names", hub_split="dev")
    config = hub.data("fresh", "names-2", hub_config="large")
    assert "split dev: Unknown split \"dev\". Should be one of ['train', 'validation', 'test']" in split.error()
    assert "'large' not found. Available: ['default']; set `hub_split` or `hub_config`" in config.error()
