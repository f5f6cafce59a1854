"""Reader of the original system's data: a JSONL file of questions with chains, beside a folder of images.

A line is ``{"imageId": "1277", "instruction": "Please answer based on the image content: Is it ...?",
"cot": [{"text": "..."}], "answer": "Yes"}``; the image is ``{folder}/{imageId}.jpg``. Lines for validation and test may
lack the chain. Two more keys are GQA's own: ``questionId``, which its official metrics use, and ``types``.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.preparation import RawRecord, Rejection
from reinforced_cot.data.text_cleaning import canonical, is_text, without_prefix
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.files import read_jsonl, sha256_of
from reinforced_cot.sources.image_files import find_image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def read_gqa_cot(file: Path, images: Path, part: tuple[float, float] | None = None) -> Iterator[RawRecord | Rejection]:
    """Yield the questions of one file in its order; malformed records come as rejections.

    Ids are the ``questionId`` where there is one, else ``{imageId}-{n}`` with n counting the image's lines in the file,
    so that splits cut out of one file by ``part`` have different ids.

    Args:
        file: the questions.
        images: the folder of images.
        part: from and to within [0, 1]; only images whose hash lies in this range are read. Splits with disjoint parts
            share no image file, whatever the files are called, and an image keeps its split when others are added.

    Raises:
        ConfigError: ``part`` is not such a range.
        DataError: the file is missing or a line is no JSON object, the folder is missing, an imageId differs from
            another only by case (one file on some file systems), or no image falls into ``part``.
    """
    if part is not None and not 0 <= part[0] < part[1] <= 1:
        raise ConfigError(f"part {list(part)} must be [from, to] with 0 <= from < to <= 1")
    if not images.is_dir():
        raise DataError(f"the image folder {images} does not exist")
    first_spelling: dict[str, tuple[str, int]] = {}
    image_files: dict[str, Path | ImageRejected | None] = {}  # None where the image belongs to another split
    lines_seen: Counter[str] = Counter()
    for number, row in read_jsonl(file):
        source = f"{file}, line {number}"
        name, question_id = name_of(row.get("imageId")), name_of(row.get("questionId"))
        image_id = canonical(name)
        if fault := _fault_of_names(image_id, name + question_id):
            # It is counted in exactly one split, like every other record.
            if part is None or _in_part(_hash_of_name(source), part):
                yield Rejection(f"line-{number}", source, *fault)
            continue
        spelling, line = first_spelling.setdefault(image_id.casefold(), (image_id, number))
        if spelling != image_id:
            raise DataError(
                f"{source}: imageId {image_id!r} differs only by case from {spelling!r} in line {line}; rename one"
            )
        if name not in image_files:
            found = _found(images, name)
            is_read = part is None or _in_part(_hash_of_image(found, image_id), part)
            image_files[name] = found if is_read else None
        record_id = canonical(question_id) or f"{image_id}-{lines_seen[image_id]}"
        lines_seen[image_id] += 1
        image = image_files[name]
        if isinstance(image, ImageRejected):
            yield Rejection(record_id, source, image.reason, image.detail)
        elif image is not None:
            yield _record(row, record_id, source, image)
    if part is not None and image_files and not any(image_files.values()):
        raise DataError(
            f"{file} has {len(image_files)} images, and none falls into part {list(part)}: widen it or add images"
        )


def name_of(value: Any) -> str:
    """An id or a name as text; pandas writes whole numbers as 12.0 in a column with gaps.

    >>> [name_of(value) for value in ("007", 12, 12.0, 0.5, True, None)]
    ['007', '12', '12', '', '', '']
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _fault_of_names(image_id: str, names: str) -> tuple[str, str] | None:
    """Why a record cannot be named: the kind of fault and its detail."""
    if not image_id:
        return "missing imageId", "there is no image without it"
    if not is_text(names):
        return "not text", "imageId or questionId holds half a character (a lone surrogate)"
    return None


def _found(folder: Path, name: str) -> Path | ImageRejected:
    try:
        return find_image(folder, name, IMAGE_SUFFIXES)
    except ImageRejected as error:
        return error


def _hash_of_image(found: Path | ImageRejected, image_id: str) -> str:
    # A missing image has no content to hash; its name decides, so that exactly one split reports it.
    return sha256_of(found) if isinstance(found, Path) else _hash_of_name(image_id)


def _hash_of_name(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _in_part(digest: str, part: tuple[float, float]) -> bool:
    """Whether a hexadecimal sha256, read as a fraction of 2^256, lies in [from, to)."""
    return part[0] <= int(digest, 16) / 2**256 < part[1]


def _record(row: dict[str, Any], record_id: str, source: str, image: Path) -> RawRecord | Rejection:
    texts: dict[str, str] = {}
    for key in ("instruction", "answer"):
        if key not in row:
            return Rejection(record_id, source, f"missing {key}", f"the record has no key {key}")
        value = row[key]
        if value is not None and not isinstance(value, str):
            return Rejection(record_id, source, "not text", f"{key} is {type(value).__name__}")
        texts[key] = value or ""
    steps = row.get("cot") or []
    if not isinstance(steps, list) or not all(_is_step(step) for step in steps):
        return Rejection(record_id, source, "malformed cot", 'cot must be a list of {"text": ...}')
    types = row.get("types") or {}
    if not isinstance(types, dict) or not all(isinstance(value, str | None) for value in types.values()):
        return Rejection(record_id, source, "malformed types", 'types must be {"structural": ..., "semantic": ...}')
    question = canonical(texts["instruction"])
    return RawRecord(
        id=record_id,
        source=source,
        image=image,
        question=without_prefix(question),
        answer=texts["answer"],
        cot="\n".join(step["text"] for step in steps),
        question_type=types.get("structural") or "",
        semantic_type=types.get("semantic") or "",
    )


def _is_step(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("text"), str)
