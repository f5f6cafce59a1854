"""The content of `eval.json`: all scores that follow from a predictions file, the same bytes for the same file."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from statistics import fmean
from typing import Any

from reinforced_cot.answers.kinds import credit
from reinforced_cot.answers.truth import truth_of_row
from reinforced_cot.data.completions import ANSWER_CLOSE
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.errors import DataError
from reinforced_cot.evaluation import uncertainty
from reinforced_cot.evaluation.answer_types import another_answer, group_of, pools
from reinforced_cot.evaluation.answer_variety import by_true_answer
from reinforced_cot.evaluation.gqa_metrics import Choices, Questions, gqa_metrics
from reinforced_cot.evaluation.probe_scores import probe_scores
from reinforced_cot.judging.by_kind import judged
from reinforced_cot.reading.verdict import Verdict
from reinforced_cot.scoring.metrics import credit_of, mean, sample_credits, shares
from reinforced_cot.scoring.original import legacy_extract, legacy_matches
from reinforced_cot.scoring.prediction_rows import Prediction
from reinforced_cot.scoring.predictions import parsed_as, scored
from reinforced_cot.scoring.version import RULES


def evaluate(
    rows: Sequence[Prediction], gqa_questions: Questions | None = None, gqa_choices: Choices | None = None
) -> dict[str, Any]:
    """Score one policy's predictions.

    Args:
        rows: predictions as `scored_rows` returns them.
        gqa_questions: GQA's own records by id; its official metrics then stand under ``gqa``.
        gqa_choices: GQA's choices, for the official metrics that need them.

    Returns:
        `metrics.shares` at the top level; ``accuracy_interval`` (95 %) and ``accuracy_error`` (standard error), both
        clustered by image; ``detectable_difference`` (the smallest between two such policies, power .8); shares again
        under ``by_question_type``, ``by_answer_type``, ``by_semantic_type`` (GQA's, where the data has it) and
        ``by_chain_length`` (words); ``by_true_answer`` (`answer_variety`); ``chain_consistency``, ``sampled``,
        ``direct`` and ``probes``; ``parse_problems``, ``truncation_rate``; ``answer_forms``, how many rows were read in
        which form; ``legacy_*`` by the original's matcher, for comparison only; ``scoring_rules``, the version of what
        is right (`scoring.version`); and ``questions``, a hash of the questions' ids, by which the report sees that all
        policies were asked the same ones.

    Raises:
        DataError: there are no predictions (a share of none would be 0/0).
    """
    if not rows:
        raise DataError("there are no predictions to evaluate")
    rows = sorted(rows, key=lambda row: row["id"])  # sums of floats depend on their order
    images = [row["image_id"] for row in rows]
    n_images = len(set(images))
    error = uncertainty.clustered_error([credit_of(row) for row in rows], images)
    return {
        "scoring_rules": RULES,
        "questions": sha256("\n".join(row["id"] for row in rows).encode()).hexdigest()[:16],
        **_with_interval(rows),
        "n_images": n_images,
        "answer_forms": dict(sorted(Counter(row.get("answer_form", "tags") for row in rows).items())),
        "accuracy_error": error,
        "detectable_difference": uncertainty.detectable_difference(error and 2**0.5 * error, n_images),
        "by_question_type": _split(rows, lambda row: row["question_type"]),
        "by_answer_type": _split(rows, lambda row: group_of(truth_of_row(row), row["gt_answer"])),
        "by_true_answer": by_true_answer(rows),
        "by_semantic_type": _split([row for row in rows if row["semantic_type"]], lambda row: row["semantic_type"]),
        "by_chain_length": _split([row for row in rows if row["pred_think"]], _length_class),
        "parse_problems": dict(sorted(Counter(row["parse_problem"] for row in rows if row["parse_problem"]).items())),
        "truncation_rate": mean(row["truncated"] for row in rows if row["truncated"] is not None),
        "chain_consistency": chain_consistency(rows),
        "sampled": _sampled(rows),
        "direct": _direct(rows),
        "probes": probe_scores(rows),
        **_legacy(rows),
        "gqa": None if gqa_questions is None else _official(rows, gqa_questions, gqa_choices),
    }


def _official(rows: Sequence[Prediction], questions: Questions, choices: Choices | None) -> dict[str, Any]:
    """GQA's metrics of the answers as they stand; a malformed completion answers nothing.

    GQA compares raw strings, and its answers are lower case: ``accuracy_ignoring_case`` shows how much case and a final
    period cost.
    """
    answers = {row["id"]: row["pred_answer"] or "" for row in rows}
    plain = {id: answer.lower().rstrip(".") for id, answer in answers.items()}
    plain_truths = {id: {**record, "answer": record["answer"].lower().rstrip(".")} for id, record in questions.items()}
    ignoring_case = gqa_metrics(plain_truths, plain)["accuracy"]
    return {**gqa_metrics(questions, answers, choices), "accuracy_ignoring_case": ignoring_case}


def scored_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Prediction]:
    """The rows with their scores (`predictions.scored`), and the judge's verdict on another answer to each chain.

    ``control_verdict`` compares a chain with a *different* answer of the same kind (`another_answer`); it is None where
    the completion is malformed or no other answer is known. Both answers are judged in turn, since the judge reads a
    chain only once then.
    """
    parts = [(row, parsed_as(row.get("answer_form"), row["prediction_raw"])) for row in rows]
    kinds = pools(
        (truth_of_row(row), answer)
        for row, parsed in parts
        if parsed.think is not None and parsed.answer is not None
        for answer in (parsed.answer, row["gt_answer"])
    )
    for row, parsed in parts:
        truth, verdict = truth_of_row(row), None
        prediction = scored(row)
        if parsed.think is not None and parsed.answer is not None:
            other = another_answer(row["id"], truth, parsed.answer, kinds)
            verdict = None if other is None else judged(parsed.think, other, truth).value
        yield {**prediction, "control_verdict": verdict}


def chain_consistency(rows: Sequence[Prediction]) -> dict[str, Any]:
    """Whether answers follow from their chains: over all well-formed completions, over right and over wrong ones.

    ``coverage`` is the share that the judge decides, ``support`` and ``contradiction`` are its verdicts as shares of
    all, ``bare`` is the share of chains that only copy their answer. ``negative_control`` compares each chain with a
    *different* answer of the same kind: support at or below this rate means nothing.
    """
    well_formed = [row for row in rows if row["pred_think"] is not None]
    control = [row["control_verdict"] for row in well_formed if row["control_verdict"] is not None]
    return {
        "all": _verdicts(well_formed),
        "correct": _verdicts([row for row in well_formed if row["is_correct"]]),
        "wrong": _verdicts([row for row in well_formed if not row["is_correct"]]),
        "negative_control": _verdict_shares(control),
    }


def _verdicts(rows: Sequence[Prediction]) -> dict[str, Any]:
    return {**_verdict_shares([row["chain_verdict"] for row in rows]), "bare": mean(row["bare_chain"] for row in rows)}


def _verdict_shares(verdicts: Sequence[str]) -> dict[str, Any]:
    return {
        "n": len(verdicts),
        "coverage": mean(verdict != Verdict.UNKNOWN.value for verdict in verdicts),
        "support": mean(verdict == Verdict.SUPPORT.value for verdict in verdicts),
        "contradiction": mean(verdict == Verdict.CONTRADICT.value for verdict in verdicts),
    }


def _with_interval(rows: Sequence[Prediction]) -> dict[str, Any]:
    result = shares(rows)
    credits, images = [credit_of(row) for row in rows], [row["image_id"] for row in rows]
    return {**result, "accuracy_interval": uncertainty.share_interval(credits, images)}


def _split(rows: Sequence[Prediction], key: Callable[[Prediction], str]) -> dict[str, Any]:
    groups: dict[str, list[Prediction]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {name: _with_interval(group) for name, group in sorted(groups.items())}


def _length_class(row: Prediction) -> str:
    """The class of a chain by its number of words, such as ``8-15``: each class is twice as wide as the one before.

    >>> _length_class({"pred_think": "one two three four five"})
    '4-7'
    """
    words = len(row["pred_think"].split())
    low = 1 << (words.bit_length() - 1)
    return f"{low}-{2 * low - 1}" if low > 1 else "1"


def _sampled(rows: Sequence[Prediction]) -> dict[str, Any] | None:
    """Completions at temperature 1: shares over all of them, and pass@k for k = 1, 2, 4, ..."""
    drawn = min(len(row["samples"]) for row in rows)
    if not drawn:
        return None
    credits = [sample_credits(row)[:drawn] for row in rows]
    well_formed = [
        (parse_completion(text).well_formed, earned)
        for row, each in zip(rows, credits, strict=True)
        for text, earned in zip(row["samples"][:drawn], each, strict=True)
    ]
    right = [sum(earned >= 0.5 for earned in each) for each in credits]
    tries = [k for k in (2**power for power in range(drawn.bit_length())) if k <= drawn]
    return {
        "samples_per_question": drawn,
        "accuracy": fmean(earned for _, earned in well_formed),
        "accuracy_well_formed": mean(earned for formed, earned in well_formed if formed),
        "format_rate": fmean(formed for formed, _ in well_formed),
        "pass_at_k": {str(k): fmean(uncertainty.pass_at_k(drawn, correct, k) for correct in right) for k in tries},
    }


def _direct(rows: Sequence[Prediction]) -> dict[str, Any] | None:
    """Answers without a chain to the same questions, and whether thinking helps (p as between two policies)."""
    answered = [row for row in rows if row["direct_raw"] is not None]
    if not answered:
        return None
    right = [credit(direct_answer(row["direct_raw"]), truth_of_row(row)) for row in answered]
    images = [row["image_id"] for row in answered]
    thinking = [credit_of(row) for row in answered]
    return {
        "n": len(answered),
        "accuracy": fmean(right),
        "accuracy_interval": uncertainty.share_interval(right, images),
        "accuracy_with_chain": fmean(thinking),
        "p_value": uncertainty.paired_p_value(right, thinking, images),
    }


def direct_answer(text: str) -> str:
    """The answer of a completion that begins with an empty chain: its first line, up to the closing tag.

    >>> direct_answer("red\\\\n</answer>")
    'red'
    """
    return text.partition(ANSWER_CLOSE)[0].strip().partition("\n")[0]


def _legacy(rows: Sequence[Prediction]) -> dict[str, Any]:
    """Accuracy over all rows and consistency over the right ones, as the original counted them."""
    extracted = [(*legacy_extract(row["prediction_raw"]), row["gt_answer"]) for row in rows]
    right = [(think, truth) for think, answer, truth in extracted if answer and legacy_matches(answer, truth)]
    return {
        "legacy_accuracy": len(right) / len(rows),
        "legacy_consistency": mean(legacy_matches(think, truth) for think, truth in right),
    }
