"""A data set of the hub is read at its commit; why it cannot be had is said in one line."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from table_helpers import make_images, write_jsonl

from reinforced_cot.data.records import RawRecord, Records
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.sources.settings import Source
from reinforced_cot.sources.table import read_table

COMMIT = "66285546d2b821cf421d4f5eb2576359d3770cd3"


def of_hub(split: str = "train", **keys: Any) -> Records:
    return read_table(Source(source="table", hub="someone/data", revision=COMMIT, **keys), split)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "home/datasets")
    return tmp_path / "home/datasets"


@pytest.mark.parametrize(
    ("split", "keys", "asked"),
    [
        ("train", {}, "train"),
        ("val", {}, "validation"),
        ("val", {"hub_split": "train[90%:]", "hub_config": "small"}, "train[90%:]"),
    ],
)
def test_a_data_set_is_read_at_its_commit(
    split: str, keys: dict[str, Any], asked: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    make_images(cache / "extracted")
    inside, outside = str(cache / "extracted/photo0.png"), str(cache.parent.parent / "photo0.png")
    Image.new("RGB", (32, 32)).save(outside)
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "question": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
        }
    )
    content = Path(inside).read_bytes()
    images = [{"bytes": content, "path": "a.png"}, {"bytes": None, "path": inside}, {"bytes": None, "path": outside}]
    data = datasets.Dataset.from_dict({"image": images, "question": ["?"] * 3, "label": [0, 1, 1]}, features=features)
    calls: list[Any] = []

    def load(*names: Any, **keys: Any) -> datasets.Dataset:
        calls.append((names, keys))
        return data

    monkeypatch.setattr(datasets, "load_dataset", load)
    records = of_hub(split, **keys)
    for _ in range(2):
        first, second, third = records()
        assert isinstance(first, RawRecord) and isinstance(second, RawRecord)
        assert (first.images, first.answers) == ((content,), ("cat",))
        assert (second.images, second.answers) == ((Path(inside),), ("dog",))
        assert str(second.place) == f"someone/data {asked}, row 2"
        assert not isinstance(third, RawRecord) and third.reason == "image name is a path"
    (((hub, config), given),) = calls
    assert (hub, config) == ("someone/data", keys.get("hub_config"))
    assert (given["split"], given["revision"], given["cache_dir"]) == (asked, COMMIT, str(cache / "pinned" / COMMIT))


def error(name: str, text: str, *bases: type[Exception]) -> Exception:
    return type(name, bases or (Exception,), {})(text)


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (
            error("DatasetNotFoundError", "Dataset 'a/b' is a gated dataset on the Hub."),
            "is gated: accept its terms",
        ),
        (error("DatasetNotFoundError", "Revision '6628' doesn't exist for dataset"), "there is no such commit"),
        (error("DatasetNotFoundError", "doesn't exist on the Hub or cannot be accessed."), "or it is private"),
        (ConnectionError("Couldn't reach 'a/b'"), "(Couldn't reach 'a/b'), and the data set was not downloaded"),
        (error("OfflineModeIsEnabled", "offline", ConnectionError), "HF_HUB_OFFLINE is set, and the data set was not"),
        (error("NonMatchingChecksumError", "x", error("ChecksumVerificationError", "").__class__), "is broken: delete"),
        (error("DatasetGenerationError", "An error occurred"), "the download is broken: delete"),
        (
            ValueError("Unknown split \"x\".\nShould be one of ['train']."),
            "one of ['train']; set `hub_split`",
        ),
        (
            RuntimeError("Dataset scripts are no longer supported"),
            "loaded: RuntimeError: Dataset scripts",
        ),
    ],
)
def test_why_a_data_set_cannot_be_had(
    raised: Exception, says: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    def load(*names: Any, **keys: Any) -> None:
        raise raised

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError) as refusal:
        of_hub()
    text = str(refusal.value)
    assert text.startswith(f"hub someone/data, revision {COMMIT[:12]}, split train: ") and says in text
    assert "\n" not in text


def test_without_a_network_the_pinned_commit_is_read_from_the_cache(cache: Path) -> None:
    """The library itself, offline as all tests are. Its cache of another commit must not be used."""
    import datasets

    row = {"image": "a.png", "question": "What?", "answer": "cat"}
    made = datasets.load_dataset("json", data_files={"train": str(write_jsonl(cache / "t.jsonl", [row]))})
    folder = Path(made["train"].cache_files[0]["filename"]).parent
    information = json.loads((folder / "dataset_info.json").read_text())
    information |= {"config_name": "default", "dataset_name": "data"}
    (folder / "dataset_info.json").write_text(json.dumps(information))
    (folder / "json-train.arrow").rename(folder / "data-train.arrow")
    # As the library names the folder of a data set of the hub: repository, configuration, version, hash.
    shutil.copytree(folder, cache / f"someone___data/default/0.0.0/{'0' * 40}")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        of_hub()
    shutil.copytree(folder, cache / f"pinned/{COMMIT}/someone___data/default/0.0.0/{COMMIT}")
    (found,) = of_hub()()
    assert found.place.file == "someone/data train" and found.reason == "missing image"  # type: ignore[union-attr]
    with pytest.raises(DataError, match="set `hub_split` or `hub_config`"):
        of_hub("test")


def test_a_table_must_be_named() -> None:
    with pytest.raises(ConfigError, match="needs `file`, or `hub` with `revision`"):
        read_table(Source(source="table"), "train")


def test_a_file_needs_no_library_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace())
    (tmp_path / "t.csv").write_text("image,question,answer\na,b,c\n")
    assert len(list(read_table(Source(source="table", file=str(tmp_path / "t.csv")), "train")())) == 1
