"""From raw records of any source to one split in the form that every stage reads.

A record that breaks a rule is set aside with its reason, never dropped silently. A split with too many of them is
refused, because a wrong image folder or a wrong key has just this effect.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from reinforced_cot.data.examples import Example, write_examples
from reinforced_cot.data.images import ImageRejected, content_id, fit_budget, open_normalised, save
from reinforced_cot.data.question_format import without_format
from reinforced_cot.data.question_types import infer_question_type
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.data.text_cleaning import canonical, find_special_token, is_text
from reinforced_cot.data.tokens import UNMATCHABLE, can_be_matched
from reinforced_cot.errors import DataError
from reinforced_cot.files import new_folder, write_jsonl
from reinforced_cot.integrity import record_split, split_manifest
from reinforced_cot.seeds import subset

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawRecord:
    """One question as its source gives it; its texts are not yet canonical.

    Attributes:
        id: unique over all splits.
        source: the record's place, for messages: a file with its line, or a generator.
        image: the image file, or a generated RGB image.
        question: the question alone, without instructions.
        answer: the true answer; empty where the source has none.
        cot: the chain of thought without tags; empty where the source has none.
        question_type: the group of the question; if empty, it is inferred from the wording.
        cot_answer: the answer that the chain leads to, where it is not the true one.
        semantic_type: GQA's second grouping; empty where the source has none.
    """

    id: str
    source: str
    image: Path | Image.Image
    question: str
    answer: str
    cot: str = ""
    question_type: str = ""
    cot_answer: str = ""
    semantic_type: str = ""


@dataclass(frozen=True)
class Rejection:
    """One line of ``rejected.{split}.jsonl``: a record set aside.

    Attributes:
        id: the record's id.
        source: the record's place.
        reason: the kind of fault, by which rejections are counted.
        detail: the fault of this record.
    """

    id: str
    source: str
    reason: str
    detail: str


def draw(records: Iterable[RawRecord | Rejection], size: int | None, seed: int) -> list[RawRecord | Rejection]:
    """Choose ``size`` records at random (`seeds.subset`); all of them when ``size`` is None.

    Raises:
        DataError: there are fewer than ``size`` records.
    """
    candidates = list(records)
    if size is not None and len(candidates) < size:
        raise DataError(
            f"the split has {len(candidates)} questions, fewer than its size {size}; lower size or set it to null"
        )
    return subset(candidates, size, seed)


def prepare(
    records: Iterable[RawRecord | Rejection],
    budget: PixelBudget,
    folder: Path,
    split: str,
    max_rejected_share: float,
) -> dict[str, int]:
    """Write ``{split}.jsonl``, ``rejected.{split}.jsonl`` and ``images/{split}/`` under ``folder``, and their hashes.

    Each file is complete or absent, and the same records give the same bytes. Images of equal content are stored once.

    Returns:
        Number of ``accepted`` and ``rejected`` questions and of ``images``.

    Raises:
        DataError: an id occurs twice, no question is left, the share of rejected records is above
            ``max_rejected_share`` (they are listed in ``refused.{split}.jsonl``), or an image is too large to open
            safely.
    """
    # The workflow deletes what a failed job has declared, so that a refused split's list has a name of its own.
    refused_file = folder / f"refused.{split}.jsonl"
    examples: list[Example] = []
    rejections: list[Rejection] = []
    with new_folder(folder / "images" / split) as image_folder:
        store = _ImageStore(image_folder, budget)
        for record in tqdm(_without_duplicates(records), desc=f"prepare {split}", unit=" questions", mininterval=1):
            result = record if isinstance(record, Rejection) else _convert(record, store, f"images/{split}")
            if isinstance(result, Rejection):
                rejections.append(result)
            else:
                examples.append(result)
        write_jsonl(refused_file, (asdict(rejection) for rejection in rejections))
        _check_share(examples, rejections, max_rejected_share, refused_file)
        refused_file.replace(folder / f"rejected.{split}.jsonl")
        _warn_of_a_common_end([example.question for example in examples])
        split_manifest(folder, split).unlink(missing_ok=True)  # of the split that is replaced now
    write_examples(folder / f"{split}.jsonl", examples)
    record_split(folder, split)
    images = len({example.group for example in examples})
    return {"accepted": len(examples), "rejected": len(rejections), "images": images}


class _ImageStore:
    """Saves each image once, however many questions ask about it."""

    def __init__(self, folder: Path, budget: PixelBudget) -> None:
        self._folder = folder
        self._budget = budget
        self._by_path: dict[Path, tuple[str, str] | ImageRejected] = {}

    def add(self, image: Path | Image.Image) -> tuple[str, str]:
        """Save an image, unless it is saved already, and return its file name and content id.

        Raises:
            ImageRejected: the image cannot be used.
        """
        if isinstance(image, Image.Image):
            return self._save(image, None)
        if image not in self._by_path:
            try:
                self._by_path[image] = self._save(open_normalised(image), image)
            except ImageRejected as error:
                self._by_path[image] = error
        stored = self._by_path[image]
        if isinstance(stored, ImageRejected):
            raise stored
        return stored

    def _save(self, image: Image.Image, source: Path | None) -> tuple[str, str]:
        image = fit_budget(image, self._budget)
        return save(image, source, self._folder), content_id(image)


def _without_duplicates(records: Iterable[RawRecord | Rejection]) -> Iterator[RawRecord | Rejection]:
    seen: dict[str, str] = {}
    for record in records:
        if record.id in seen:
            raise DataError(f"{record.source}: id {record.id!r} occurs twice, first in {seen[record.id]}")
        seen[record.id] = record.source
        yield record


def _convert(record: RawRecord, store: _ImageStore, prefix: str) -> Example | Rejection:
    for name, text in (("question", record.question), ("answer", record.answer), ("chain", record.cot)):
        if not is_text(text):
            return Rejection(
                record.id, record.source, "not text", f"the {name} holds half a character (a lone surrogate)"
            )
    question, answer, cot = canonical(record.question), canonical(record.answer), canonical(record.cot)
    cot_answer = canonical(record.cot_answer)
    if not question:
        return Rejection(record.id, record.source, "empty question", "the question has no visible character")
    if not answer:
        return Rejection(record.id, record.source, "missing answer", "the answer has no visible character")
    for name, text in (("question", question), ("answer", answer), ("cot", cot), ("cot_answer", cot_answer)):
        if token := find_special_token(text):
            return Rejection(record.id, record.source, "special token", f"the {name} contains {token}")
    if not can_be_matched(answer):
        return Rejection(record.id, record.source, "unmatchable answer", f"the answer {UNMATCHABLE}")
    try:
        name, group = store.add(record.image)
    except ImageRejected as error:
        return Rejection(record.id, record.source, error.reason, error.detail)
    question_type = record.question_type or infer_question_type(question, answer)
    erring_answer = cot_answer if cot_answer != answer else ""
    return Example(
        id=record.id,
        image=f"{prefix}/{name}",
        question=question,
        answer=answer,
        cot=cot,
        question_type=question_type,
        group=group,
        cot_answer=erring_answer,
        semantic_type=record.semantic_type,
    )


def _warn_of_a_common_end(questions: list[str]) -> None:
    """Say so where most questions end in one sentence that is not known to say only how to answer.

    Its words would count as the question's, for its type and for what an answer may repeat.
    """
    ends = Counter(end for question in questions if (end := without_format(question).rpartition("?")[2].strip()))
    for end, count in ends.most_common(1):
        if count > len(questions) / 2 and count > 1:
            log.warning(
                "%d of %d questions end with %r: if that only says how to answer, take it out of the data and write it "
                "into prompt.instruction",
                count,
                len(questions),
                end[:80],
            )


def _check_share(examples: list[Example], rejections: list[Rejection], max_share: float, file: Path) -> None:
    total = len(examples) + len(rejections)
    if examples and len(rejections) <= max_share * total:
        return
    if not total:
        raise DataError(f"{file.parent}: the split has no question; check the data file and its part")
    counts = Counter(rejection.reason for rejection in rejections)
    first = "".join(f"\n  {rejected.source}: {rejected.reason}: {rejected.detail}" for rejected in rejections[:5])
    raise DataError(
        f"{len(rejections)} of {total} questions rejected, more than data.max_rejected_share ({max_share:g}) allows: "
        + ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
        + f". All are listed in {file}; the first are:{first}"
    )
