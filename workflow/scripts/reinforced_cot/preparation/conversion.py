"""One raw record in the form that every stage reads, or the reason why it cannot be used."""

import json
from collections.abc import Iterator, Sequence

from reinforced_cot.answers.true_answers import fault_of
from reinforced_cot.answers.truth import Truth
from reinforced_cot.data.examples import Example, most_frequent_first
from reinforced_cot.data.image_places import PLACE, place_count, without_leading_places, without_places
from reinforced_cot.data.listed_choices import with_choices
from reinforced_cot.data.question_types import infer_question_type
from reinforced_cot.data.records import RawRecord, Rejection
from reinforced_cot.data.text_cleaning import canonical, find_special_token, is_text
from reinforced_cot.data.tokens import UNMATCHABLE, can_be_matched
from reinforced_cot.errors import DataError

MAX_EXTRA_CHARACTERS = 100_000


def converted(record: RawRecord) -> Example | Rejection:
    """The record with canonical texts and without images, or why it is set aside."""
    fault = next(_faults(record), None)
    return Rejection(record.id, record.place, *fault) if fault else _example(record)


def _example(record: RawRecord) -> Example:
    question = without_leading_places(canonical(record.question))
    choices = tuple(map(canonical, record.choices))
    question = with_choices(question, choices)
    answers = most_frequent_first(_usable_answers(record))
    chain_answer = canonical(record.chain_answer)
    return Example(
        id=record.id,
        images=(),
        question=question,
        answers=answers,
        question_type=record.question_type or infer_question_type(without_places(question), answers[0]),
        chain=canonical(record.chain),
        chain_answer=chain_answer if chain_answer != answers[0] else "",
        choices=choices,
        answer_kind=record.answer_kind,
        semantic_type=record.semantic_type,
        extra=record.extra,
    )


def _faults(record: RawRecord) -> Iterator[tuple[str, str]]:
    """The kind and the detail of each fault of the texts; a later check may rely on the ones before it."""
    answers = _usable_answers(record)
    texts = [
        ("question", record.question),
        *(("answer", answer) for answer in answers or record.answers),
        ("chain", record.chain),
        ("chain_answer", record.chain_answer),
        *(("choice", choice) for choice in record.choices),
    ]
    for name, text in texts:
        if not is_text(text):
            yield "not text", f"the {name} holds half a character (a lone surrogate)"
    if not canonical(record.question).replace(PLACE, "").strip():
        yield "empty question", "the question has no visible character"
    if not any(is_text(answer) and canonical(answer) for answer in record.answers):
        yield "missing answer", "the answer has no visible character"
    for name, text in texts:
        shown = canonical(text)
        if token := find_special_token(shown.replace(PLACE, "") if name == "question" else shown):
            yield "special token", f"the {name} contains {token}"
    if not answers:
        yield "unmatchable answer", f"the answer {UNMATCHABLE}"
    if not all(map(canonical, record.choices)):
        yield "empty choice", "a choice has no visible character"
    if answers:
        yield from _faults_of_kind(record, answers)
    if len(record.choices) > 26:
        yield "too many choices", f"the question has {len(record.choices)} choices; 26 have a letter"
    places, images = place_count(canonical(record.question)), len(record.images)
    if not images:
        yield "missing image", "the record names no image"
    elif places not in (0, images):
        yield "image places", f"the question has {places} places {PLACE}, and the record has {images} images"
    if record.extra:
        yield from _faults_of_extra(record)


def _faults_of_kind(record: RawRecord, answers: Sequence[str]) -> Iterator[tuple[str, str]]:
    choices = tuple(map(canonical, record.choices))
    try:
        fault = fault_of(Truth(tuple(answers), "", record.answer_kind, choices))
    except DataError as error:
        yield "unknown answer kind", str(error)
        return
    if fault:
        yield "answer of another kind", f"{fault} (answer_kind {record.answer_kind})"


def _usable_answers(record: RawRecord) -> list[str]:
    """The answers that can be compared with others: one of ten annotators may have written a blank or a remark."""
    texts = [canonical(answer) for answer in record.answers if is_text(answer)]
    return [text for text in texts if text and can_be_matched(text) and not find_special_token(text)]


def _faults_of_extra(record: RawRecord) -> Iterator[tuple[str, str]]:
    try:
        text = json.dumps(record.extra, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        yield "malformed extra", f"extra cannot be written as JSON: {error}"
        return
    if not is_text(text) or json.loads(text) != record.extra:
        yield "malformed extra", "extra is no JSON: its keys must be texts, and lists must be lists"
    if len(text) > MAX_EXTRA_CHARACTERS:
        yield "malformed extra", f"extra has {len(text)} characters as JSON, more than {MAX_EXTRA_CHARACTERS}"
