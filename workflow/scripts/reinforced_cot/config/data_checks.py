"""Checks of ``data`` and GQA's files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import yaml

from reinforced_cot.answers.specification import chosen as chosen_kind
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.config.configuration import Config
from reinforced_cot.config.stage_settings import data_settings
from reinforced_cot.config.table_checks import table_file_problems, table_problems
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.evaluation.settings import Evaluating
from reinforced_cot.files import read_json
from reinforced_cot.programs.settings import GRAPHS, graphs_of, question_files
from reinforced_cot.sources.settings import (
    GQA_SOURCES,
    PATH_FIELDS,
    READS,
    SOURCE_FIELDS,
    SPLITS_OF_HUB,
    DataSettings,
    Source,
    Splits,
)


def data_problems(data: DataSettings) -> Iterator[str]:
    """One line per key that a source lacks, or does not read."""
    for key, source in sources_by_key(data):
        if source.source is None:
            yield f"`{key}.source` is missing; name the source there, or one for all splits as `data.source`"
            continue
        reads = READS[source.source]
        for field in reads.required:
            if getattr(source, field) is None:
                yield f"`{key}.{field}` is {'null' if field == 'size' else 'missing'}; {reads.why[field]}"
        for field in SOURCE_FIELDS:
            if getattr(source, field) is not None and field not in (*reads.required, *reads.optional):
                yield f"`{key}.{field}` is not read by source {source.source}; remove it, or name another source"
        if source.source == "table":
            yield from table_problems(key, source)
        if source.answer_kind and source.answer_kind != data.answer_kind:
            yield from _kind_problems(f"{key}.answer_kind", source.answer_kind)
        if source.part and source.part[0] >= source.part[1]:
            yield f"`{key}.part` is {list(source.part)}; it must be [from, to] with from below to"
    if data.answer_kind:
        yield from _kind_problems("data.answer_kind", data.answer_kind)
    if any(source.source == "digits" for _, source in sources_by_key(data)):
        yield from type_problems("data.digits.train_question_types", data.digits.train_question_types)
    yield from _overlaps(data)


def _kind_problems(key: str, kind: str) -> Iterator[str]:
    try:
        chosen_kind(kind)
    except DataError as error:
        yield f"`{key}`: {error}"


def sources_by_key(data: DataSettings) -> Iterator[tuple[str, Source]]:
    """Each source with the key under which it stands, such as ``data.splits.train`` or ``data.splits.test[1]``."""
    for split in Splits.model_fields:
        several = isinstance(getattr(data.splits, split), tuple)
        for number, source in enumerate(data.sources(split)):
            yield f"data.splits.{split}[{number}]" if several else f"data.splits.{split}", source


def type_problems(key: str, types: Sequence[str] | None) -> Iterator[str]:
    """Whether every scene can answer one of the question types that ``key`` names."""
    if types and all(name.startswith("neighbor_") for name in types):
        yield (
            f"`{key}` is {', '.join(types)}; some scenes have no neighbours: add a type that every scene can answer, "
            "such as color"
        )


def _overlaps(data: DataSettings) -> Iterator[str]:
    read = [(key, source, what) for key, source in sources_by_key(data) if (what := _data_of(key, source))]
    for (first, a, what), (second, b, other) in combinations(read, 2):
        splits = first.split(".")[2].partition("[")[0], second.split(".")[2].partition("[")[0]
        if other != what or splits[0] == splits[1]:
            continue
        if a.source == b.source == "choices" and (a.subset or splits[0]) != (b.subset or splits[1]):
            continue  # they read other rows; `check_data` finds images that ScienceQA's splits share
        (from_a, to_a), (from_b, to_b) = a.part or (0.0, 1.0), b.part or (0.0, 1.0)
        if max(from_a, from_b) < min(to_a, to_b):
            yield (
                f"`{first}.part` [{from_a:g}, {to_a:g}] and `{second}.part` [{from_b:g}, {to_b:g}] overlap, and both "
                f"read {a.file or a.hub}; give parts that share nothing"
            )


def _data_of(key: str, source: Source) -> tuple[str | None, ...]:
    """What identifies the questions that a source reads; empty where they are generated."""
    if source.file:
        return os.path.normpath(source.file), source.member
    split = source.hub_split or SPLITS_OF_HUB.get(key.split(".")[2], key.split(".")[2])
    return (source.hub, source.hub_config, split) if source.hub else ()


def program_problems(chains: Mapping[str, ChainSet], data: DataSettings) -> Iterator[str]:
    """A line per set of chains by GQA's programs without a question file."""
    for name, chosen in chains.items():
        if chosen.by == "gqa_programs" and not question_files(chosen.questions, data.sources("train")):
            yield (
                f"`chains.{name}.by` is gqa_programs, and no source of data.splits.train is gqa: name GQA's question "
                f"file as `chains.{name}.questions`"
            )
        elif chosen.questions and len(data.sources("train")) > 1:  # whose ids begin with the names of the sources
            yield (
                f"`chains.{name}.questions` is only read where `data.splits.train` has one source; leave it out: the "
                "question files of its sources `gqa` are read then"
            )


def _missing_graphs(name: str, chosen: ChainSet, data: DataSettings) -> Iterator[str]:
    questions = question_files(chosen.questions, data.sources("train"))
    if questions and not graphs_of(chosen.scene_graphs, questions):
        key, wanted = f"`chains.{name}.scene_graphs`", "train_sceneGraphs.json, or the folder that holds it"
        if chosen.scene_graphs:
            yield f"{key} is {chosen.scene_graphs}, where no file {GRAPHS} is; name {wanted}, unpacked"
        else:
            yield f"{key} is not set, and beside {questions[0].file} is no file {GRAPHS}; name {wanted}, unpacked"


def gqa_problems(evaluate: Evaluating, data: DataSettings) -> Iterator[str]:
    """GQA's official metrics are defined over all balanced questions."""
    if evaluate.gqa_choices and not evaluate.gqa_questions:
        yield "`evaluate.gqa_choices` is only read with `evaluate.gqa_questions`; set that too, or this null"
    (test, *others) = data.sources("test")
    whole = test.source in GQA_SOURCES and test.size is None and not test.part and not others
    if evaluate.gqa_questions and not whole:
        yield (
            "`evaluate.gqa_questions` asks for GQA's official metrics, which need all of the test split: let "
            f"`data.splits.test` be one source, {' or '.join(GQA_SOURCES)}, with `size` null and `part` null"
        )


def missing_chains(config: Config) -> Iterator[str]:
    """A line where the splits are prepared as the configuration says, and have no chains for those who learn from them.

    Changed data files are seen only when the split is prepared again.
    """
    learning = config.learning_from_data
    folder = Path(config.results) / "data"
    try:
        prepared = yaml.safe_load((folder / "train.yaml").read_text(encoding="utf-8"))
        chains = read_json(folder / "summary.json")["splits"]["train"]["chains"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, PipelineError, KeyError, TypeError):
        return  # not prepared yet, or damaged: the stages say so
    if learning and chains == 0 and prepared == data_settings(config, "train").as_dict():
        yield (
            f"{folder / 'train.jsonl'} has no chain of thought, and the report needs policies that learn from chains: "
            f"{', '.join(learning)}. Add chains to some records, name a set that is made (docs/chains.md), "
            "or compare policies that need none, such as RL from the base (`from: base`)"
        )


def missing_data(config: Config) -> Iterator[str]:
    """One line per raw file or folder that does not exist: Snakemake would call data made from it up to date.

    There is also one line per table whose file or folder cannot be a table.
    """
    paths = [
        (f"{key}.{field}", path)
        for key, source in sources_by_key(config.data)
        for field in PATH_FIELDS
        if (path := getattr(source, field)) is not None
    ]
    paths += [(f"evaluate.{field}", getattr(config.evaluate, field)) for field in Evaluating.model_fields]
    for name, chosen in config.chains.items():
        if chosen.by == "gqa_programs":
            paths.append((f"chains.{name}.questions", chosen.questions))
            yield from _missing_graphs(name, chosen, config.data)
    for key, path in paths:
        if path is not None and not Path(path).exists():
            yield f"`{key}` is {path}, which does not exist; correct it"
    for key, source in sources_by_key(config.data):
        if source.source == "table":
            yield from table_file_problems(key, source)
