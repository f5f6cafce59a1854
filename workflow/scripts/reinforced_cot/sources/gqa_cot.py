"""Reader of the original system's data: a JSONL file of questions with chains, beside a folder of images.

A line is ``{"imageId": "1277", "instruction": "Please answer based on the image content: Is it ...?",
"cot": [{"text": "..."}], "answer": "Yes"}``; the image is ``{folder}/{imageId}.jpg``. Lines for validation and test may
lack the chain. Two more keys are GQA's own: ``questionId``, which its official metrics use, and ``types``.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.records import Place, RawRecord, Rejection
from reinforced_cot.data.text_cleaning import canonical, is_text, without_prefix
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_jsonl
from reinforced_cot.sources.image_files import find_image
from reinforced_cot.sources.image_folder import ImageSearch, check_image_folder
from reinforced_cot.sources.image_suffixes import PHOTO_SUFFIXES
from reinforced_cot.sources.row_values import name_of


def read_gqa_cot(file: Path, images: Path) -> Iterator[RawRecord | Rejection]:
    """Yield the questions of one file in its order; malformed records come as rejections.

    Ids are the ``questionId`` where there is one, else ``{imageId}-{n}`` with n counting the image's lines in the file.

    Args:
        file: the questions.
        images: the folder of images.

    Raises:
        DataError: the file is missing or a line is no JSON object, the folder is missing, or an imageId differs from
            another only by case (one file on some file systems).
    """
    check_image_folder(images)
    first_spelling: dict[str, tuple[str, int]] = {}
    search = ImageSearch(lambda name: find_image(images, name, PHOTO_SUFFIXES))
    lines_seen: Counter[str] = Counter()
    for number, row in read_jsonl(file):
        place = Place(str(file), number)
        name, question_id = name_of(row.get("imageId")), name_of(row.get("questionId"))
        image_id = canonical(name)
        if fault := _fault_of_names(image_id, name + question_id):
            yield Rejection(f"line-{number}", place, *fault)
            continue
        spelling, line = first_spelling.setdefault(image_id.casefold(), (image_id, number))
        if spelling != image_id:
            raise DataError(
                f"{place}: imageId {image_id!r} differs only by case from {spelling!r} in line {line}; rename one"
            )
        record_id = canonical(question_id) or f"{image_id}-{lines_seen[image_id]}"
        lines_seen[image_id] += 1
        try:
            image = search.find(name)
        except ImageRejected as error:
            yield Rejection(record_id, place, error.reason, error.detail)
        else:
            yield _record(row, record_id, place, image)


def _fault_of_names(image_id: str, names: str) -> tuple[str, str] | None:
    """Why a record cannot be named: the kind of fault and its detail."""
    if not image_id:
        return "missing imageId", "there is no image without it"
    if not is_text(names):
        return "not text", "imageId or questionId holds half a character (a lone surrogate)"
    return None


def _record(row: dict[str, Any], record_id: str, place: Place, image: Path) -> RawRecord | Rejection:
    texts: dict[str, str] = {}
    for key in ("instruction", "answer"):
        if key not in row:
            return Rejection(record_id, place, f"missing {key}", f"the record has no key {key}")
        value = row[key]
        if value is not None and not isinstance(value, str):
            return Rejection(record_id, place, "not text", f"{key} is {type(value).__name__}")
        texts[key] = value or ""
    steps = row.get("cot") or []
    if not isinstance(steps, list) or not all(_is_step(step) for step in steps):
        return Rejection(record_id, place, "malformed cot", 'cot must be a list of {"text": ...}')
    types = row.get("types") or {}
    if not isinstance(types, dict) or not all(isinstance(value, str | None) for value in types.values()):
        return Rejection(record_id, place, "malformed types", 'types must be {"structural": ..., "semantic": ...}')
    question = canonical(texts["instruction"])
    return RawRecord(
        id=record_id,
        place=place,
        images=(image,),
        question=without_prefix(question),
        answers=(texts["answer"],) if texts["answer"] else (),
        chain="\n".join(step["text"] for step in steps),
        question_type=types.get("structural") or "",
        semantic_type=types.get("semantic") or "",
    )


def _is_step(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("text"), str)
