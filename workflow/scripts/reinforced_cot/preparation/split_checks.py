"""Checks over all splits together, before anything is trained, and the summary that the report shows."""

import logging
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from reinforced_cot.data.examples import Example, content_of
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json
from reinforced_cot.integrity import DIFFERENCE_HASH, split_manifest

log = logging.getLogger(__name__)

_SHOWN_PAIRS = 20


def check(
    splits: Mapping[str, Sequence[Example]],
    rejected: Mapping[str, Sequence[Mapping[str, Any]]],
    folder: Path,
    learn_from_chains: Sequence[str] = (),
    max_near_duplicate_share: float = 1.0,
) -> dict[str, Any]:
    """Refuse data on which results would be meaningless, and describe all other data.

    Args:
        splits: records by split; ``train`` is the split that policies learn from.
        rejected: the lines of ``rejected.{split}.jsonl`` by split.
        folder: the folder that the records' image paths are relative to.
        learn_from_chains: names of those policies to be made that learn from chains of thought.
        max_near_duplicate_share: the share of a split's images that may be nearly the same as those of an earlier one.

    Returns:
        ``splits``: per split the number of questions, images, chains and erring chains (whose conclusion differs from
        the true answer), question types, the answers' distribution, lengths in words, rejections by reason;
        ``shared_images``: 0 for every pair; ``near_duplicates``: for every pair, how many images of the second split
        are nearly the same as one of the first, and some of them.

    Raises:
        DataError: an image occurs in two splits, too many are nearly the same, an image is missing, or no record of
            ``train`` has a chain though some policy learns from chains.
    """
    for (name_a, examples_a), (name_b, examples_b) in combinations(splits.items(), 2):
        _refuse_shared(name_a, examples_a, name_b, examples_b)
    for name, examples in splits.items():
        _refuse_missing_images(name, examples, folder)
    if learn_from_chains and not any(example.chain for example in splits["train"]):
        raise DataError(
            "no record of split 'train' has a chain of thought, and the report needs policies that learn from "
            f"chains: {', '.join(learn_from_chains)}. Add chains to some records, or compare policies that need none, "
            "such as RL from the base (`from: base`)"
        )
    return {
        "splits": {name: _describe(examples, rejected.get(name, ())) for name, examples in splits.items()},
        "shared_images": {f"{a}/{b}": 0 for a, b in combinations(splits, 2)},
        "near_duplicates": {
            f"{a}/{b}": _near_duplicates(a, b, folder, max_near_duplicate_share) for a, b in combinations(splits, 2)
        },
    }


def _near_duplicates(name_a: str, name_b: str, folder: Path, max_share: float) -> dict[str, Any]:
    from reinforced_cot.preparation.near_duplicates import near_duplicates  # the only check that needs NumPy

    hashes_a, hashes_b = (_difference_hashes(folder, name) for name in (name_a, name_b))
    pairs = near_duplicates(hashes_a, hashes_b, folder)
    shown = [f"{pair.first} and {pair.second}" for pair in pairs[:_SHOWN_PAIRS]]
    if pairs:
        log.warning(
            "%d of %d images of %s are nearly the same as images of %s, e.g. %s",
            len(pairs),
            len(hashes_b),
            name_b,
            name_a,
            "; ".join(shown[:3]),
        )
    if len(pairs) > max_share * len(hashes_b):
        raise DataError(
            f"{len(pairs)} of {len(hashes_b)} images of split {name_b!r} are nearly the same as images of {name_a!r} "
            f"(below {folder}), e.g. {'; '.join(shown[:3])}: a policy would be tested on what it has learned. Put them "
            "into one split, or raise data.max_near_duplicate_share"
        )
    return {"images": len(pairs), "pairs": shown}


def _difference_hashes(folder: Path, split: str) -> dict[str, str]:
    """The hash of each image of a split, from its manifest; data that this pipeline has not prepared has none."""
    manifest = split_manifest(folder, split)
    files = read_json(manifest)["files"] if manifest.is_file() else {}
    return {name: entry[DIFFERENCE_HASH] for name, entry in files.items() if DIFFERENCE_HASH in entry}


def _refuse_shared(name_a: str, examples_a: Sequence[Example], name_b: str, examples_b: Sequence[Example]) -> None:
    images = {content_of(image) for example in examples_a for image in example.images}
    shared = {image: example for example in examples_b for image in example.images if content_of(image) in images}
    if shared:
        questions = {example.id for example in shared.values()}
        contents = sorted({*map(content_of, shared)})
        raise DataError(
            f"splits {name_a!r} and {name_b!r} share {len(contents)} images by content ({len(questions)} questions of "
            f"{name_b!r}), e.g. {_three(contents)}; split by image (data.splits.*.part) or remove the copies"
        )


def _refuse_missing_images(name: str, examples: Sequence[Example], folder: Path) -> None:
    named = {image for example in examples for image in example.images}
    missing = sorted(image for image in named if not (folder / image).is_file())
    if missing:
        raise DataError(
            f"{folder / name}.jsonl names {len(missing)} images that do not exist under {folder}, e.g. "
            f"{_three(missing)}; delete {folder} so that the data is prepared again"
        )


def _three(values: Sequence[str]) -> str:
    return ", ".join(values[:3])


def _describe(examples: Sequence[Example], rejected: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    answers = Counter(example.answer for example in examples)
    top_answer, top_count = answers.most_common(1)[0]
    chains = [example.chain for example in examples if example.chain]
    return {
        "questions": len(examples),
        "images": len({content_of(image) for example in examples for image in example.images}),
        "chains": len(chains),
        "erring_chains": sum(bool(example.chain_answer) for example in examples),
        "question_types": dict(Counter(example.question_type for example in examples)),
        "answers": {
            "distinct": len(answers),
            "most_frequent": top_answer,
            "most_frequent_share": round(top_count / len(examples), 4),  # the score of a constant answer
        },
        "words": {
            "question": _word_counts(example.question_text for example in examples),
            "chain": _word_counts(chains),
        },
        "rejected": dict(Counter(str(row["reason"]) for row in rejected)),
    }


def _word_counts(texts: Iterable[str]) -> dict[str, float] | None:
    """Least, median, mean and greatest number of words; None without texts."""
    counts = [len(text.split()) for text in texts]
    if not counts:
        return None
    mean = round(statistics.fmean(counts), 2)
    return {"min": min(counts), "median": float(statistics.median(counts)), "mean": mean, "max": max(counts)}
