"""The generated digit scenes as a source of raw records."""

from collections.abc import Iterator, Sequence

from reinforced_cot.data.records import Place, RawRecord
from reinforced_cot.digits.digit_pairs import make_pair_records, make_pairs
from reinforced_cot.digits.digit_scenes import QUESTION_TYPES, Record, Scene, make_records, make_scenes
from reinforced_cot.seeds import mixed


def make_digit_records(
    split: str,
    size: int,
    seed: int,
    shortcut_share: float = 0.0,
    question_types: Sequence[str] = tuple(QUESTION_TYPES),
) -> Iterator[RawRecord]:
    """Yield ``size`` questions, one per scene; images are drawn one at a time.

    A larger ``size`` begins with the questions of a smaller one.
    """
    scenes = make_scenes(split, size, seed)
    question_seed = mixed(seed, "questions", split)  # per split: else all ask the same types in one order
    records = make_records(scenes, question_seed, 1, shortcut_share, question_types)
    for scene, record in zip(scenes, records, strict=True):
        yield _raw(record, scene)


def make_digit_pair_records(split: str, size: int, seed: int) -> Iterator[RawRecord]:
    """Yield ``size`` questions about two scenes each (`digit_pairs`)."""
    for pair, record in make_pair_records(make_pairs(split, size, seed), mixed(seed, "pairs", split)):
        yield _raw(record, *pair)


def _raw(record: Record, *scenes: Scene) -> RawRecord:
    return RawRecord(
        id=record["id"],
        place=Place(f"digit scene {' and '.join(scene.id for scene in scenes)}"),
        images=tuple(scene.render() for scene in scenes),
        question=record["question"],
        answers=(record["answer"],),
        chain=record["cot"],
        question_type=record["question_type"],
        chain_answer=record["cot_answer"],
    )
