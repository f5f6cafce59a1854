"""Checks of ``data`` and GQA's files."""

import os
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from reinforced_cot.config.configuration import Config
from reinforced_cot.evaluation.settings import Evaluating
from reinforced_cot.sources.settings import DataSettings, Split, Splits


def data_problems(data: DataSettings) -> Iterator[str]:
    """One line per split that says too little, or something that its source does not read."""
    for name, split in by_name(data.splits).items():
        key = f"data.splits.{name}"
        if data.source == "digits":
            if split.size is None:
                yield f"`{key}.size` is null; digits are generated, say how many questions"
            for field in ("file", "images", "part"):
                if getattr(split, field) is not None:
                    yield f"`{key}.{field}` is only read with `data.source: gqa_cot`; set it null or change the source"
            continue
        for field in ("file", "images"):
            if getattr(split, field) is None:
                yield f"`{key}.{field}` is missing; `data.source: {data.source}` reads it"
        if split.part and split.part[0] >= split.part[1]:
            yield f"`{key}.part` is {list(split.part)}; it must be [from, to] with from below to"
    if data.source == "digits":
        yield from type_problems("data.digits.train_question_types", data.digits.train_question_types)
    if data.source != "digits":
        yield from _overlaps(data.splits)


def type_problems(key: str, types: Sequence[str] | None) -> Iterator[str]:
    """Whether every scene can answer one of the question types that ``key`` names."""
    if types and all(name.startswith("neighbor_") for name in types):
        yield (
            f"`{key}` is {', '.join(types)}; some scenes have no neighbours: add a type that every scene can answer, "
            "such as color"
        )


def by_name(splits: Splits) -> dict[str, Split]:
    """The splits by their names."""
    return {name: getattr(splits, name) for name in Splits.model_fields}


def _overlaps(splits: Splits) -> Iterator[str]:
    for (first, a), (second, b) in combinations(by_name(splits).items(), 2):
        if a.file is None or b.file is None or os.path.normpath(a.file) != os.path.normpath(b.file):
            continue
        (from_a, to_a), (from_b, to_b) = a.part or (0.0, 1.0), b.part or (0.0, 1.0)
        if max(from_a, from_b) < min(to_a, to_b):
            yield (
                f"`data.splits.{first}.part` [{from_a:g}, {to_a:g}] and `data.splits.{second}.part` [{from_b:g}, "
                f"{to_b:g}] overlap, and both read {a.file}; give parts that share nothing"
            )


def gqa_problems(evaluate: Evaluating, data: DataSettings) -> Iterator[str]:
    """GQA's official metrics are defined over all balanced questions."""
    if evaluate.gqa_choices and not evaluate.gqa_questions:
        yield "`evaluate.gqa_choices` is only read with `evaluate.gqa_questions`; set that too, or this null"
    test = data.splits.test
    if evaluate.gqa_questions and (data.source != "gqa_cot" or test.size is not None or test.part):
        yield (
            "`evaluate.gqa_questions` asks for GQA's official metrics, which need all of the test split: set "
            "`data.source` gqa_cot, `data.splits.test.size` null and its `part` null"
        )


def missing_data(config: Config) -> Iterator[str]:
    """One line per raw file or folder that does not exist: Snakemake would call data made from it up to date."""
    paths = {
        f"data.splits.{name}.{field}": getattr(split, field)
        for name, split in by_name(config.data.splits).items()
        for field in ("file", "images")
    }
    paths |= {f"evaluate.{field}": getattr(config.evaluate, field) for field in Evaluating.model_fields}
    for key, path in paths.items():
        if path is not None and not Path(path).exists():
            yield f"`{key}` is {path}, which does not exist; correct it"
