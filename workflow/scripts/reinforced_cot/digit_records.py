"""The generated digit scenes as a source of raw records."""

from collections.abc import Iterator

from reinforced_cot.digit_scenes import make_records, make_scenes
from reinforced_cot.preparation import RawRecord


def make_digit_records(split: str, size: int, seed: int, shortcut_share: float = 0.0) -> Iterator[RawRecord]:
    """Yield ``size`` questions, one a scene; images are drawn one at a time.

    The same question of the same split and seed is the same whatever the size.
    """
    scenes = make_scenes(split, size, seed)
    for scene, record in zip(scenes, make_records(scenes, seed, shortcut_share=shortcut_share), strict=True):
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
