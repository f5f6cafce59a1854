"""Reader of multiple-choice questions with rationales: A-OKVQA and ScienceQA, each as it is downloaded.

A-OKVQA (github.com/allenai/aokvqa) is ``[{"question_id": "22MexNkBPpdZGX6sxbxVBH", "image_id": 299207, "question":
"...", "choices": ["...", ...], "correct_choice_idx": 1, "rationales": ["...", ...]}, ...]`` with COCO's images of 2017.
ScienceQA (github.com/lupantech/ScienceQA) is ``{"1": {"question": "...", "choices": ["...", ...], "answer": 0, "hint":
"", "image": "image.png" or null, "solution": "...", "split": "train", "subject": "..."}, ...}`` with the image
``{split}/{id}/image.png``. The key ``question_id`` tells them apart.

The answer is the text of the right choice. The chain is A-OKVQA's first rationale, or ScienceQA's solution.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from reinforced_cot.data.records import Place, RawRecord, Records, Rejection
from reinforced_cot.sources.image_files import find_named_image
from reinforced_cot.sources.image_folder import ImageFolder, coco_names
from reinforced_cot.sources.json_entries import Entry, read_entries
from reinforced_cot.sources.row_values import (
    MalformedRow,
    name_of,
    optional_text,
    record_or_rejection,
    required_name,
    shown,
    text_of,
    warn_once,
)


def choice_records(file: Path, images: Path, subset: str | None, split: str) -> Records:
    """The questions of one file, with the ids of their data set.

    ScienceQA's questions without an image are left out and counted in a warning: half of the data set has none.

    Args:
        file: A-OKVQA's file of one split, or ScienceQA's ``problems.json``.
        images: the folder of COCO's images, or the one that holds ScienceQA's ``train``, ``val`` and ``test``.
        subset: only rows with this ``split`` are read. None for all rows of A-OKVQA, whose files hold one split each,
            and for ``split`` in ScienceQA.
        split: of the pipeline.

    Returns:
        A function that reads the questions anew. It raises a `DataError` if the file is missing or no such JSON, or if
        there is no image folder.
    """
    folder = ImageFolder(images)
    from_aokvqa, from_scienceqa = partial(_aokvqa, folder=folder), partial(_scienceqa, images=images)

    def read() -> Iterator[RawRecord | Rejection]:
        folder.check()
        without_image = 0
        for entry in read_entries(file):
            row, place = entry.value, entry.place(file)
            if _is_of_aokvqa(entry):
                if subset is None or row.get("split") == subset:
                    yield record_or_rejection(row, row["question_id"], place, from_aokvqa)
            elif isinstance(row, dict) and isinstance(row.get("split"), str):
                if row["split"] != (subset or split):
                    continue
                if row.get("image") or "image" not in row:
                    yield record_or_rejection({**row, "id": entry.key}, entry.key, place, from_scienceqa)
                else:
                    without_image += 1
            else:
                yield record_or_rejection(row, entry.key or entry.number, place, _unknown)
        if without_image:
            warn_once(f"{without_image} questions of {file} ({subset or split}) have no image and are left out")

    return read


def _is_of_aokvqa(entry: Entry) -> bool:
    return isinstance(entry.value, dict) and "question_id" in entry.value


def _unknown(row: dict[str, Any], id: str, place: Place) -> RawRecord:
    raise MalformedRow("unknown form", "it has neither question_id, as A-OKVQA's questions, nor split, as ScienceQA's")


def _aokvqa(row: dict[str, Any], id: str, place: Place, folder: ImageFolder) -> RawRecord:
    rationales = row.get("rationales") or []
    if not isinstance(rationales, list) or not all(isinstance(text, str) for text in rationales):
        raise MalformedRow("malformed rationales", "rationales must be a list of texts")
    choices = _choices(row)
    return RawRecord(
        id=id,
        place=place,
        images=(folder.find(*coco_names(required_name(row, "image_id"))),),
        question=text_of(row, "question"),
        answers=(_right(row, "correct_choice_idx", choices),),
        chain=rationales[0] if rationales else "",
        choices=choices,
        answer_kind="choice",
    )


def _scienceqa(row: dict[str, Any], id: str, place: Place, images: Path) -> RawRecord:
    choices = _choices(row)
    hint, question = optional_text(row, "hint").strip(), text_of(row, "question")
    return RawRecord(
        id=id,
        place=place,
        images=(find_named_image(images, f"{row['split']}/{row['id']}/{text_of(row, 'image')}"),),
        question=f"{hint}\n{question}" if hint and question.strip() else question,
        answers=(_right(row, "answer", choices),),
        chain=optional_text(row, "solution"),
        question_type=optional_text(row, "subject"),
        choices=choices,
        answer_kind="choice",
    )


def _choices(row: dict[str, Any]) -> tuple[str, ...]:
    choices = row.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, str) for choice in choices):
        raise MalformedRow("malformed choices", "choices must be a list of texts")
    return tuple(choices)


def _right(row: dict[str, Any], key: str, choices: tuple[str, ...]) -> str:
    """The text of the right choice, whose number from 0 stands under ``key``."""
    number = name_of(row.get(key))
    if not number:
        raise MalformedRow("missing answer", f"{key} is {shown(row.get(key))}; it must be the right choice's number")
    if not number.isdecimal() or int(number) >= len(choices):
        raise MalformedRow("no such choice", f"{key} is {number[:80]}, and the choices are 0 to {len(choices) - 1}")
    return choices[int(number)]
