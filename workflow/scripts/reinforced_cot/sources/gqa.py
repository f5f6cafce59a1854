"""Reader of GQA's question files as they are downloaded (cs.stanford.edu/people/dorarad/gqa/download.html).

A file is one object, ``{"201640614": {"question": "Who is wearing the dress?", "imageId": "2354786", "answer": "woman",
"isBalanced": true, "types": {"structural": "query", "semantic": "rel", "detailed": "relS"}, ...}, ...}``. All training
questions are a folder of ten such files with 10 GB. Images are ``{imageId}.jpg`` in one folder. There are no chains.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from reinforced_cot.data.records import Place, RawRecord, Records, Rejection
from reinforced_cot.errors import DataError
from reinforced_cot.raw_images.image_folder import ImageFolder
from reinforced_cot.tables.json_entries import read_entries
from reinforced_cot.tables.row_values import (
    MalformedRow,
    optional_text,
    record_or_rejection,
    required_name,
    text_of,
)
from reinforced_cot.tables.table_files import chunk_files


def gqa_records(file: Path, images: Path, balanced_only: bool = False) -> Records:
    """The questions of one file, or of all files of a folder; their ids are GQA's.

    Args:
        file: a question file, or the folder of its chunks.
        images: the folder of images.
        balanced_only: leave out the questions that GQA's balancing leaves out, as its official metrics do.

    Returns:
        A function that reads the questions anew. It raises a `DataError` if a file is missing or not such an object,
        if the folder holds no ``.json`` file, or if there is no image folder.
    """
    folder = ImageFolder(images)
    make = partial(_record, folder=folder, balanced_only=balanced_only)

    def read() -> Iterator[RawRecord | Rejection]:
        folder.check()
        files = chunk_files(file)
        if not files:
            raise DataError(f"the folder {file} holds no .json file; name GQA's question file or the folder of chunks")
        for chunk in files:
            for entry in read_entries(chunk):
                if entry.key is None:
                    raise DataError(f"{chunk}: expected an object, question id -> question, found an array")
                row = entry.value
                if balanced_only and isinstance(row, dict) and row.get("isBalanced") is False:
                    continue
                yield record_or_rejection(row, entry.key, entry.place(chunk), make)

    return read


def _record(row: dict[str, Any], id: str, place: Place, folder: ImageFolder, balanced_only: bool) -> RawRecord:
    if balanced_only and row.get("isBalanced") is not True:
        raise MalformedRow("missing isBalanced", "isBalanced must be true or false, since balanced_only reads it")
    types = row.get("types") or {}
    if not isinstance(types, dict):
        raise MalformedRow("malformed types", 'types must be {"structural": ..., "semantic": ...}')
    answer = optional_text(row, "answer")
    return RawRecord(
        id=id,
        place=place,
        images=(folder.find(required_name(row, "imageId")),),
        question=text_of(row, "question"),
        answers=(answer,) if answer else (),
        question_type=optional_text(types, "structural"),
        semantic_type=optional_text(types, "semantic"),
    )
