"""Which of GQA's files programs are read from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from reinforced_cot.section import Section
from reinforced_cot.sources.settings import Source, source_names

GRAPHS = "*sceneGraphs.json"  # as GQA calls them: train_sceneGraphs.json, val_sceneGraphs.json


class QuestionFile(Section):
    """A question file of GQA, the folder of its chunks, or an archive with either.

    Attributes:
        member: of an archive.
        prefix: what the ids of the train split have before GQA's.
    """

    file: str
    member: str | None = None
    prefix: str = ""


class ProgramSettings(Section):
    """What the stage that executes programs reads.

    Attributes:
        name: of the set of chains.
    """

    name: str
    questions: Annotated[tuple[QuestionFile, ...], Field(strict=False)]
    scene_graphs: Annotated[tuple[str, ...], Field(strict=False)]


def question_files(named: str | None, train: Sequence[Source]) -> tuple[QuestionFile, ...]:
    """The question files with programs: the one that is named, or those of the train split's ``gqa`` sources.

    Args:
        train: the sources of the train split.
    """
    if named:
        return (QuestionFile(file=named),)
    prefixes = [f"{name}:" for name in source_names(train)] if len(train) > 1 else [""]
    return tuple(
        QuestionFile(file=source.file, member=source.member, prefix=prefix)
        for source, prefix in zip(train, prefixes, strict=True)
        if source.source == "gqa" and source.file
    )


def graphs_of(named: str | None, questions: Sequence[QuestionFile]) -> list[Path]:
    """The files of scene graphs: the one that is named, or those of a folder, at first that of the questions."""
    place = Path(named) if named else Path(questions[0].file).parent
    return sorted(place.glob(GRAPHS)) if place.is_dir() else [path for path in (place,) if path.is_file()]
