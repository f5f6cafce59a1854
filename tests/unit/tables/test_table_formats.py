"""The same records give the same examples, whatever the form of their files."""

import csv
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from table_helpers import RECORDS, make_images, write_jsonl

from reinforced_cot.data.examples import Example, read_examples
from reinforced_cot.data.records import RawRecord
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.preparation.prepare import prepare
from reinforced_cot.sources.gqa_cot import read_gqa_cot
from reinforced_cot.sources.registry import read_split
from reinforced_cot.sources.settings import PreparedSplit, Source
from reinforced_cot.sources.table import read_table

BUDGET = PixelBudget(min_pixels=784, max_pixels=50176)


def jsonl(folder: Path) -> Source:
    return Source(file=str(write_jsonl(folder / "t.jsonl", RECORDS)), images=str(folder / "photos"))


def lines_named_json(folder: Path) -> Source:
    return Source(file=str(write_jsonl(folder / "t.json", RECORDS)), images=str(folder / "photos"))


def json_array(folder: Path) -> Source:
    (folder / "t.json").write_text("\ufeff" + json.dumps(RECORDS, indent=1), encoding="utf-8")
    return Source(file=str(folder / "t.json"), images=str(folder / "photos"))


def json_object(folder: Path) -> Source:
    (folder / "t.json").write_text(json.dumps({"info": {"n": [1]}, "tags": [1, 2], "data": RECORDS}), encoding="utf-8")
    return Source(file=str(folder / "t.json"), images=str(folder / "photos"))


def delimited(folder: Path, suffix: str, **form: Any) -> Source:
    with open(folder / f"t{suffix}", "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(RECORDS[0]), **form)
        writer.writeheader()
        writer.writerows(RECORDS)
    return Source(file=str(folder / f"t{suffix}"), images=str(folder / "photos"))


def csv_file(folder: Path) -> Source:
    return delimited(folder, ".csv")


def tsv_file(folder: Path) -> Source:
    return delimited(folder, ".tsv", delimiter="\t", lineterminator="\n")


def with_bytes(folder: Path) -> list[dict[str, Any]]:
    return [
        {**row, "image": {"bytes": (folder / "photos" / row["image"]).read_bytes(), "path": row["image"]}}
        for row in RECORDS
    ]


def parquet_with_bytes(folder: Path) -> Source:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(with_bytes(folder)), folder / "t.parquet")
    return Source(file=str(folder / "t.parquet"))


def parquet_with_paths(folder: Path) -> Source:
    import pyarrow
    import pyarrow.parquet

    rows = [{**row, "options": row["options"].split("|") if row["options"] else None} for row in RECORDS]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "t.parquet", row_group_size=3)
    return Source(file=str(folder / "t.parquet"), images=str(folder / "photos"))


def arrow_stream(folder: Path) -> Source:
    import pyarrow

    table = pyarrow.Table.from_pylist(RECORDS)
    with pyarrow.OSFile(str(folder / "t.arrow"), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return Source(file=str(folder / "t.arrow"), images=str(folder / "photos"))


def feather(folder: Path) -> Source:
    import pyarrow.feather

    pyarrow.feather.write_feather(pyarrow.Table.from_pylist(RECORDS), str(folder / "t.feather"))
    return Source(file=str(folder / "t.feather"), images=str(folder / "photos"))


def chunks(folder: Path) -> Source:
    write_jsonl(folder / "chunks/part-1.jsonl", RECORDS[4:])
    write_jsonl(folder / "chunks/part-0.jsonl", RECORDS[:4])
    (folder / "chunks/README.md").write_text("no chunk")
    return Source(file=str(folder / "chunks"), images=str(folder / "photos"))


def saved_data_set(folder: Path) -> Source:
    import datasets

    data = datasets.Dataset.from_list(
        [{**row, "image": str(folder / "photos" / row["image"])} for row in RECORDS]
    ).cast_column("image", datasets.Image())
    data.save_to_disk(str(folder / "saved"), num_shards=2)
    return Source(file=str(folder / "saved"))


def image_folder(folder: Path) -> Source:
    rows = [{"file_name" if key == "image" else key: value for key, value in row.items()} for row in RECORDS]
    write_jsonl(folder / "photos/metadata.jsonl", rows)
    return Source(file=str(folder / "photos"))


def zipped(folder: Path) -> Source:
    table = write_jsonl(folder / "t.jsonl", RECORDS)
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.write(table, "cars/ann/t.jsonl")
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for path in sorted((folder / "photos").iterdir()):
            archive.write(path, f"photos/{path.name}")
    return Source(file=str(folder / "all.zip"), member="cars/ann/t.jsonl", images=str(folder / "photos.zip"))


def tarred(folder: Path) -> Source:
    table = write_jsonl(folder / "t.jsonl", RECORDS)
    with tarfile.open(folder / "all.tar.gz", "w:gz") as archive:
        archive.add(table, "data/t.jsonl")
        archive.add(folder / "photos", "data")
    return Source(file=str(folder / "all.tar.gz"))


FORMS: list[Callable[[Path], Source]] = [
    lines_named_json,
    json_array,
    json_object,
    csv_file,
    tsv_file,
    parquet_with_bytes,
    parquet_with_paths,
    arrow_stream,
    feather,
    chunks,
    saved_data_set,
    image_folder,
    zipped,
    tarred,
]


def prepared(source: Source, folder: Path) -> list[Example]:
    settings = PreparedSplit(
        seed=1,
        image=BUDGET,
        digits=None,
        max_rejected_share=0.0,
        sources=(source.model_copy(update={"source": "table"}),),
    )
    prepare(read_split(settings, "train", folder), BUDGET, folder, "train", 0.0)
    return read_examples(folder / "train.jsonl")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_gives_the_same_examples(form: Callable[[Path], Source], tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_images(tmp_path / name / "photos")
    expected = prepared(jsonl(tmp_path / "one"), tmp_path / "out-one")
    assert [example.id for example in expected] == [row["id"] for row in RECORDS]
    assert [example.answer for example in expected[:3]] == ["cat", "None", "007"]
    assert (expected[4].choices, expected[5].answer, expected[7].answer) == (("cat", "dog"), "dog", "12.0")
    assert len({example.images for example in expected}) == 4
    assert prepared(form(tmp_path / "other"), tmp_path / "out-other") == expected


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    make_images(tmp_path / "photos")
    source = tarred(tmp_path)
    first = prepared(source, tmp_path / "out")
    (folder,) = (tmp_path / "out/.unpacked").glob("all-*")
    time = folder.stat().st_mtime_ns
    assert prepared(source, tmp_path / "out") == first and folder.stat().st_mtime_ns == time


def test_classes_are_answers_to_a_given_question(tmp_path: Path) -> None:
    for name in ("dog", "cat"):
        make_images(tmp_path / "animals" / name, 2)
    source = Source(source="table", file=str(tmp_path / "animals"), question="What is shown?")
    found = [record for record in read_table(source, "train")() if isinstance(record, RawRecord)]
    assert [(record.question, record.answers) for record in found] == [
        ("What is shown?", (name,)) for name in ("cat", "cat", "dog", "dog")
    ]
    assert str(found[0].place) == str(tmp_path / "animals/cat/photo0.png")


def comparable(record: Any) -> Any:
    """A record without its id and place; its images as bytes."""
    assert isinstance(record, RawRecord), record
    images = tuple(image if isinstance(image, bytes) else image.read_bytes() for image in record.images)  # type: ignore[union-attr]
    values = {name: getattr(record, name) for name in RawRecord.__dataclass_fields__}
    return {**values, "images": images, "id": "", "place": ""}


@pytest.mark.parametrize("form", ["original", "csv", "parquet"])
def test_photographs_give_the_records_that_the_originals_reader_gives(form: str, repo: Path, tmp_path: Path) -> None:
    sample = repo.parent / "shared/data/gqa-cot-sample"
    if not sample.is_dir():
        pytest.skip(f"needs the sample {sample}")
    expected = list(read_gqa_cot(sample / "train_data.jsonl", sample / "images"))
    images: str | None = str(sample / "images")
    file = sample / "train_data.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if form == "csv":
        file = tmp_path / "t.csv"
        with open(file, "w", encoding="utf-8", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(["question", "answer", "image", "rationale"])
            writer.writerows([row["instruction"], row["answer"], row["imageId"], row["cot"][0]["text"]] for row in rows)
    elif form == "parquet":
        import pyarrow
        import pyarrow.parquet

        file, images = tmp_path / "t.parquet", None
        for row in rows:
            row["image"] = (sample / f"images/{row['imageId']}.jpg").read_bytes()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    found = list(read_table(Source(source="table", file=str(file), images=images), "train")())
    assert [*map(comparable, found)] == [*map(comparable, expected)]
    assert len({record.id for record in found}) == 498
