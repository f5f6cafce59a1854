"""Chains of thought of GQA's questions, made by executing their programs on the scene graphs of their images.

Two passes, so that neither file is ever in memory. The questions are read once, to learn which values a type of
attribute has, and are set aside on disk. Then each scene graph is read once, for all questions about its image.
"""

import marshal
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.text_cleaning import canonical, is_text
from reinforced_cot.processes import in_order
from reinforced_cot.programs.execution import execute
from reinforced_cot.programs.program import ProgramFault, operations, program
from reinforced_cot.programs.scene_graph import scene_graph
from reinforced_cot.programs.value_types import Learned, ValueTypes
from reinforced_cot.programs.wording import chain_of
from reinforced_cot.tables.json_entries import read_entries

_CHUNK = 64  # scene graphs per task of a process
NO_PROGRAM, NO_GRAPH = "no program", "no scene graph of the image"


class Questions(NamedTuple):
    """Files of questions.

    Attributes:
        files: GQA's question file, or its chunks.
        prefix: stands before GQA's ids in the ids of the train split.
    """

    files: Sequence[Path]
    prefix: str = ""


class Made(NamedTuple):
    """What became of one question: its completion, or why it has none."""

    id: str
    completion: str
    fault: str = ""


class Counts:
    """What became of all questions.

    Attributes:
        operations: how often each operation occurs, by its name in the file.
        left_out: how many questions have no completion, by reason.
    """

    def __init__(self) -> None:
        self.operations: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Both, the most frequent first."""
        return {"operations": dict(self.operations.most_common()), "left_out": dict(self.left_out.most_common())}


def completions(
    questions: Iterable[Questions],
    graphs: Iterable[Path],
    wanted: Collection[str],
    folder: Path,
    processes: int,
    counts: Counts,
) -> Iterator[tuple[str, str]]:
    """Yield id and completion of every wanted question whose program can be executed, in the order of the scene graphs.

    Args:
        graphs: GQA's files of scene graphs.
        wanted: ids of questions of the train split.
        folder: the questions are set aside there, in a file without a name, of which nothing is left in any case.
        processes: how many execute programs.
        counts: is filled.

    Raises:
        DataError: a file is missing or damaged.
        PipelineError: a process was killed, perhaps for want of memory.
    """
    with TemporaryFile(dir=folder) as file:
        places, types = _set_aside(questions, wanted, file, counts)
        tasks = _tasks(graphs, places, file)
        for made in chain.from_iterable(in_order(partial(_executed, types), tasks, processes)):
            if made.fault:
                counts.left_out[made.fault] += 1
            else:
                yield made.id, made.completion
        if missing := sum(map(len, places.values())):
            counts.left_out[NO_GRAPH] += missing


_Places = defaultdict[str, "array[int]"]  # of each image, where its questions stand in the spool
_Task = list[tuple[Any, list[bytes]]]  # scene graphs, each with its questions


def _set_aside(
    questions: Iterable[Questions], wanted: Collection[str], spool: IO[bytes], counts: Counts
) -> tuple[_Places, ValueTypes]:
    places: _Places = defaultdict(partial(array, "Q"))
    learned, at, found = Learned(), 0, set[str]()
    for source in questions:
        for file in source.files:
            for entry in read_entries(file):
                row, id = entry.value, source.prefix + canonical(entry.key or "")
                if not isinstance(row, dict):
                    continue  # preparation has set it aside
                steps, answer = row.get("semantic"), str(row.get("answer") or "")
                is_wanted = id in wanted and id not in found  # a question may stand in two files
                if is_wanted:
                    found.add(id)
                    counts.operations.update(operations(steps))
                try:
                    learned.add(program(steps), answer)
                except ProgramFault as fault:
                    if is_wanted:
                        counts.left_out[str(fault)] += 1
                    continue
                if is_wanted:
                    blob = marshal.dumps((id, steps))
                    spool.write(len(blob).to_bytes(4, "little") + blob)
                    places[str(row.get("imageId"))].append(at)
                    at += 4 + len(blob)
    if missing := len(wanted) - len(found):
        counts.left_out[NO_PROGRAM] += missing
    spool.flush()
    return places, learned.types()


def _tasks(graphs: Iterable[Path], places: _Places, spool: IO[bytes]) -> Iterator[_Task]:
    """The scene graphs that have questions, in chunks; their images are taken out of ``places``."""
    task: _Task = []
    for entry in (entry for file in graphs for entry in read_entries(file)):
        if found := places.pop(entry.key or "", None):
            task.append((entry.value, [_blob(spool, place) for place in found]))
        if len(task) == _CHUNK:
            yield task
            task = []
    if task:
        yield task


def _blob(spool: IO[bytes], place: int) -> bytes:
    spool.seek(place)
    return spool.read(int.from_bytes(spool.read(4), "little"))


def _executed(types: ValueTypes, task: _Task) -> list[Made]:
    made = []
    for row, blobs in task:
        try:
            graph = scene_graph(row)
        except ProgramFault as fault:
            made += [Made(marshal.loads(blob)[0], "", str(fault)) for blob in blobs]
            continue
        for blob in blobs:
            id, steps = marshal.loads(blob)
            try:
                run = execute(program(steps), graph, types)
                text = completion_text(chain_of(run, id), run.answer)
                made.append(Made(id, text) if is_text(text) else Made(id, "", "a name that is no text"))
            except ProgramFault as fault:
                made.append(Made(id, "", str(fault)))
    return made
