"""What a source holds, from its first records: what would be prepared, and what would be set aside and why."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from reinforced_cot.answers.boxes import boxes_of
from reinforced_cot.answers.truth import truth_of
from reinforced_cot.data.examples import Example
from reinforced_cot.data.images import ImageRejected, encoded
from reinforced_cot.data.records import Place, RawRecord, Records, Rejection
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.judging.by_kind import judged
from reinforced_cot.judging.consistency import is_bare
from reinforced_cot.preparation.box_checks import with_fitting_boxes
from reinforced_cot.preparation.conversion import converted
from reinforced_cot.reading.verdict import Verdict

READ = 2000  # records
JUDGED = 300  # chains
SHOWN = 5
_WIDTH = 96  # characters of a text that is shown
_GAPS = {"n/a", "na", "nan", "null", "none", "-", "?", "unknown", "tbd", "todo"}
_FORMULA = re.compile(r"\\[a-zA-Z]{2,}|\^|\$[^$]*[a-z\\][^$]*\$")
_ANNOTATORS, _SIDES = 5, ("x1", "y1", "x2", "y2")
_NUMBER = re.compile(r"[-+]?[\d.,]+ ?%?")


@dataclass
class Look:
    """The first records of a source.

    Attributes:
        read: how many were read.
        shown: some of those that would be prepared, with their places, and the sizes of their images in pixels as they
            are and as they would be.
        rejected: those that would be set aside.
        answers, kinds: how often each answer and each kind of answer occurs.
        suggested: how often each kind of answer would suit a record that names none (`suggested_kind`).
        chains, choices, several_images: how many records have them.
        judged, paid: how many of the first chains were judged, and for how many the reward `consistency` would pay.
        gaps: answers such as N/A, which may stand for a missing one.
        contradictions: how many questions stand there again with the same images and another answer.
        longest_chain, longest_chain_characters: its words, and its characters.
        images: the files of images.
        pixels: of the largest image that is shown, as it would be prepared.
        is_whole: whether these are all records of the source.
    """

    read: int = 0
    shown: list[tuple[Place, Example, list[str]]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    suggested: Counter[str] = field(default_factory=Counter)
    chains: int = 0
    judged: int = 0
    paid: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    contradictions: int = 0
    longest_chain: int = 0
    longest_chain_characters: int = 0
    images: set[Path] = field(default_factory=set)
    pixels: int = 0
    choices: int = 0
    several_images: int = 0
    is_whole: bool = False

    @property
    def kept(self) -> int:
        """How many would be prepared."""
        return self.read - len(self.rejected)


def look_at(records: Records, budget: PixelBudget, count: int = READ) -> Look:
    """Read the first ``count`` records; images are opened of those that are shown, and of those with boxes."""
    look, reader = Look(), records()
    asked: dict[tuple[Any, ...], tuple[str, ...]] = {}
    for record in islice(reader, count):
        look.read += 1
        result = record if isinstance(record, Rejection) else converted(record)
        sizes: list[str] = []
        has_box = isinstance(result, Example) and result.answer_kind.partition(" ")[0] == "box"
        is_seen = has_box or len(look.shown) < SHOWN  # whether its images are opened
        if isinstance(record, RawRecord) and isinstance(result, Example) and is_seen:
            try:
                both = [encoded(image, f"an image of {record.place}", budget).sizes for image in record.images]
                sizes = [_in_words(before, after) for before, after in both]
                look.pixels = max([look.pixels, *(after[0] * after[1] for _, after in both)])
                fitting = with_fitting_boxes(result, both)
                result = fitting if isinstance(fitting, Example) else Rejection(record.id, record.place, *fitting)
            except ImageRejected as error:
                result = Rejection(record.id, record.place, error.reason, error.detail)
        if isinstance(result, Rejection):
            look.rejected.append(result)
            continue
        if len(look.shown) < SHOWN:
            look.shown.append((record.place, result, sizes))
        look.answers[result.answer] += 1
        look.kinds[kind_of(result)] += 1
        look.suggested[suggested_kind(result)] += 1
        look.chains += bool(result.chain)
        if result.chain and look.judged < JUDGED:
            look.judged += 1
            look.paid += _is_paid(result)
        if not result.choices and result.answer.casefold() in _GAPS:
            look.gaps[result.answer] += 1
        if isinstance(record, RawRecord) and not any(isinstance(image, Image.Image) for image in record.images):
            key = (result.question, *record.images)
            look.contradictions += asked.setdefault(key, result.answers) != result.answers
        look.longest_chain = max(look.longest_chain, len(result.chain.split()))
        look.longest_chain_characters = max(look.longest_chain_characters, len(result.chain))
        if isinstance(record, RawRecord):
            look.images |= {image for image in record.images if isinstance(image, Path)}
        look.choices += bool(result.choices)
        look.several_images += isinstance(record, RawRecord) and len(record.images) > 1
    look.is_whole = next(reader, None) is None
    return look


def _is_paid(example: Example) -> bool:
    """Whether RL would pay for the chain, written by a policy before the answer that it leads to."""
    answer = example.chain_answer or example.answer
    is_supported = judged(example.chain, answer, truth_of(example)) is Verdict.SUPPORT
    return is_supported and not is_bare(example.chain, answer, example.question_text)


def _in_words(before: tuple[int, int], after: tuple[int, int]) -> str:
    return f"{before[0]}x{before[1]}" + (f" -> {after[0]}x{after[1]}" if before != after else "")


def kind_of(example: Example) -> str:
    """The kind of a record's answer in words, for a first look.

    >>> kind_of(Example(id="1", images=(), question="?", answers=("3 %",), question_type=""))
    'a number'
    """
    if example.answer_kind:
        return example.answer_kind
    answer = example.answer.casefold().rstrip(".")
    if example.choices:
        return "one of several choices"
    if answer in ("yes", "no"):
        return "yes or no"
    if _NUMBER.fullmatch(answer):
        return "a number"
    return "a word or two" if len(answer.split()) <= 2 else "a phrase" if len(answer.split()) <= 8 else "a longer text"


def suggested_kind(example: Example) -> str:
    """A kind that the form of a record's answers suggests, where it names none; else an empty text.

    >>> suggested_kind(Example(id="1", images=(), question="?", answers=("[1, 2, 30, 40]",), question_type=""))
    'box'
    """
    if example.answer_kind or example.choices:
        return ""
    answer = example.answer
    if answer[:1] in "[(<" and boxes_of(answer):
        return "box"
    if answer.startswith("["):
        return "list"
    if len(example.answers) == len(_SIDES) and all(map(_NUMBER.fullmatch, example.answers)):
        return "box"  # a list of four numbers was taken for four answers
    if _FORMULA.search(answer):
        return "math"
    return "vqa" if len(example.answers) >= _ANNOTATORS else ""


def as_text(name: str, look: Look, allowed: float) -> str:
    """A look in words, for the terminal.

    Args:
        allowed: the share of records set aside above which a split is refused.
    """
    return "\n".join(_lines(name, look, allowed))


def _lines(name: str, look: Look, allowed: float) -> Iterator[str]:
    yield name
    yield f"  {'all' if look.is_whole else 'the first'} {look.read:,} records of it:"
    if look.rejected:
        reasons = Counter(rejected.reason for rejected in look.rejected)
        counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
        yield f"  {len(look.rejected):,} would be set aside: {counts}; the first are"
        yield from (f"    {one.place}: {one.reason}: {one.detail}" for one in look.rejected[:SHOWN])
        if len(look.rejected) > allowed * look.read:
            yield (
                f"  That is {len(look.rejected) / look.read:.0%}, and a split with more than {allowed:.0%} is refused "
                "(data.max_rejected_share)"
            )
    if not look.kept:
        yield "  none would be prepared"
        return
    kinds = ", ".join(f"{kind} {count / look.kept:.0%}" for kind, count in look.kinds.most_common())
    answer, count = look.answers.most_common(1)[0]
    yield f"  answers: {kinds}"
    kind, suited = max(look.suggested.items(), key=lambda item: (bool(item[0]), item[1]))
    if kind and suited > look.kept / 2:
        yield f"    {suited:,} look like {kind}; to compare them so, set answer_kind: {kind} (docs/answer-kinds.md)"
    yield f"  {len(look.answers):,} different answers; the most frequent is {_cut(answer)!r}, {count / look.kept:.0%}"
    yield f"  chains of thought: {look.chains:,} of {look.kept:,}"
    if look.judged:
        share = look.paid / look.judged
        yield f"  of the first {look.judged:,} chains, the reward consistency would pay for {share:.0%}"
        if share < 0.5:
            yield "    the others add too little to question and answer, or do not state the answer"
            yield "    (docs/rewards.md)"
    if look.gaps:
        gaps = ", ".join(f"{answer!r} {count:,}" for answer, count in look.gaps.most_common())
        yield f"  answers that may stand for a missing one, and are taught as they are: {gaps}"
    if look.contradictions:
        yield f"  {look.contradictions:,} questions repeat an earlier one about the same images with another answer"
    if look.several_images:
        yield f"  several images: {look.several_images:,} of {look.kept:,}"
    for place, example, sizes in look.shown:
        yield f"  {place}: {', '.join(sizes)} pixels"
        yield f"    question: {_cut(example.question)}"
        others = f" (of {len(example.answers)})" if len(example.answers) > 1 else ""
        yield f"    answer:   {_cut(example.answer)}{others}"
        if example.chain:
            yield f"    chain:    {_cut(example.chain)}"


def _cut(text: str, marks: Sequence[str] = ("\n", "\t")) -> str:
    for mark in marks:
        text = text.replace(mark, " / " if mark == "\n" else " ")
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
