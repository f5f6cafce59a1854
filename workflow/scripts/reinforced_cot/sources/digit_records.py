"""The generated digit scenes as a source of raw records."""

from collections.abc import Iterator, Sequence

from reinforced_cot.data.preparation import RawRecord
from reinforced_cot.seeds import mixed
from reinforced_cot.sources.digit_scenes import QUESTION_TYPES, make_records, make_scenes


def make_digit_records(
    split: str,
    size: int,
    seed: int,
    shortcut_share: float = 0.0,
    question_types: Sequence[str] = tuple(QUESTION_TYPES),
) -> Iterator[RawRecord]:
    """Yield ``size`` questions, one a scene; images are drawn one at a time.

    The same question of the same split and seed is the same whatever the size.
    """
    scenes = make_scenes(split, size, seed)
    asked = mixed(seed, "questions", split)  # by split, or all of them would ask the same types in the same order
    for scene, record in zip(scenes, make_records(scenes, asked, 1, shortcut_share, question_types), strict=True):
        yield RawRecord(
            id=record["id"],
            source=f"digit scene {scene.id}",
            image=scene.render(),
            question=record["question"],
            answer=record["answer"],
            cot=record["cot"],
            question_type=record["question_type"],
            cot_answer=record["cot_answer"],
        )
