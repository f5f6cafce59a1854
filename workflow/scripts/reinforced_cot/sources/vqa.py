"""Reader of VQAv2's files as they are downloaded (visualqa.org/download.html), and of OK-VQA's, which have its form.

Questions are ``{"data_subtype": "val2014", "questions": [{"image_id": 262148, "question": "...", "question_id":
262148000}, ...]}``. Their answers stand in a file of their own: ``{"annotations": [{"question_id": 262148000,
"answer_type": "yes/no" | "number" | "other", "answers": [{"answer": "net"}, ... ten of them]}, ...]}``.
"""

from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from reinforced_cot.data.records import Place, RawRecord, Records, Rejection
from reinforced_cot.errors import DataError
from reinforced_cot.sources.image_folder import ImageFolder, coco_names
from reinforced_cot.sources.json_entries import read_entries, read_member
from reinforced_cot.sources.row_values import (
    MalformedRow,
    name_of,
    optional_text,
    record_or_rejection,
    required_name,
    text_of,
    warn_once,
)


class _Truth(NamedTuple):
    """What the annotations say of one question."""

    answer_type: str
    answers: tuple[str, ...]


_Truths = dict[str, _Truth | MalformedRow]


def vqa_records(file: Path, annotations: Path, images: Path) -> Records:
    """The questions of one file with the answers of all annotators; their ids are the data set's.

    The annotations are read once and stay in memory (150 MB for VQAv2's training questions). Those of questions that
    the file does not have are counted in a warning.

    Args:
        file: the questions.
        annotations: the answers.
        images: the folder of COCO's images, as ``COCO_val2014_000000262148.jpg``, ``000000262148.jpg`` or
            ``262148.jpg``.

    Returns:
        A function that reads the questions anew. It raises a `DataError` if a file is missing or is not such an
        object, if an annotation has no question's id or a second one is for the same question, or if there is no image
        folder.
    """
    folder = ImageFolder(images)

    @cache
    def truths() -> _Truths:
        return _read_annotations(annotations)

    @cache
    def subset() -> str:
        return name_of(read_member(file, "data_subtype"))

    def read() -> Iterator[RawRecord | Rejection]:
        folder.check()
        answered, known = 0, truths()
        make = partial(_record, truths=known, annotations=annotations, folder=folder, subset=subset())
        for entry in read_entries(file, within="questions"):
            question_id = entry.value.get("question_id") if isinstance(entry.value, dict) else None
            answered += name_of(question_id) in known
            yield record_or_rejection(entry.value, question_id, entry.place(file), make)
        if left := len(known) - answered:
            warn_once(f"{left} of {len(known)} annotations in {annotations} are for no question of {file}")

    return read


def _record(
    row: dict[str, Any], id: str, place: Place, truths: _Truths, annotations: Path, folder: ImageFolder, subset: str
) -> RawRecord:
    truth = truths.get(name_of(row.get("question_id")))
    if truth is None:
        raise MalformedRow("missing annotation", f"{annotations} has no question_id {id}; is it another split's?")
    if isinstance(truth, MalformedRow):
        raise MalformedRow(truth.reason, truth.detail)  # anew, since a kept exception would keep all its frames
    return RawRecord(
        id=id,
        place=place,
        images=(folder.find(*coco_names(required_name(row, "image_id"), subset)),),
        question=text_of(row, "question"),
        answers=truth.answers,
        question_type=truth.answer_type,
    )


def _read_annotations(file: Path) -> _Truths:
    truths: _Truths = {}
    known: dict[str, str] = {}  # most answers are given thousands of times, and kept once
    for entry in read_entries(file, within="annotations"):
        row = entry.value
        question_id = name_of(row.get("question_id")) if isinstance(row, dict) else ""
        if not question_id:
            raise DataError(f"{entry.place(file)}: the annotation has no question_id, a text or a whole number")
        if question_id in truths:
            raise DataError(f"{entry.place(file)}: question_id {question_id!r} has an annotation already; remove one")
        try:
            answers = [known.setdefault(answer, answer) for answer in _answers(row.get("answers"))]
            answer_type = optional_text(row, "answer_type")
            truths[question_id] = _Truth(known.setdefault(answer_type, answer_type), tuple(answers))
        except MalformedRow as error:
            truths[question_id] = MalformedRow(error.reason, f"{error.detail} ({entry.place(file)})")
    return truths


def _answers(values: Any) -> Sequence[str]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise MalformedRow("malformed answers", 'answers must be a list of {"answer": ...}')
    return [text_of(value, "answer") for value in values]
