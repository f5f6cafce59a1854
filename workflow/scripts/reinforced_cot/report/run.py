"""Everything that the report shows of a results folder, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.comparisons import compare
from reinforced_cot.report.logged_steps import logged_so_far
from reinforced_cot.report.policy_facts import PolicyFacts
from reinforced_cot.result_files import read_result, read_result_rows
from reinforced_cot.scoring.prediction_rows import Prediction


@dataclass
class Run:
    """The files of a run, by policy where each policy has one; a policy without the file is left out.

    Attributes:
        evaluations: eval.json of the policies that were evaluated, in the order of the report.
        predictions: their scored answers.
        metrics: metrics.json of the trained policies; ``history`` alone of one that still trains.
        comparisons: the differences between all pairs of evaluated policies.
        proofs: merge.json of the policies with an adapter.
        timings: timing.json of the evaluated policies.
        rates: pass_rates.json of the policies whose questions were chosen.
        chain_sets: chains/{set}.json by set.
        summary: data/summary.json; empty if there is none.
        spread: seeds.json; None for a run at one seed.
        labels: the labels that a reader gave to chains, by policy and the question's id (`evaluation.chain_labels`).
        missing: files that a complete run has and this one has not, as paths below the results folder.
        not_begun: policies without any result, whose files are not among those that are missing.
    """

    results: Path
    policies: Sequence[PolicyFacts]
    evaluations: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    predictions: dict[str, list[Prediction]] = field(default_factory=dict)
    metrics: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    comparisons: Sequence[Mapping[str, Any]] = ()
    proofs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    timings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    rates: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    chain_sets: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    spread: Mapping[str, Any] | None = None
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    not_begun: list[str] = field(default_factory=list)

    @property
    def trained(self) -> list[PolicyFacts]:
        """The policies that a stage of this run trains."""
        return [policy for policy in self.policies if policy.is_trained]

    @property
    def origins(self) -> dict[str, str]:
        """The policy that each trained one starts from."""
        return {policy.name: policy.origin for policy in self.trained}

    def learners(self) -> dict[str, list[str]]:
        """The policies that learn from each set of chains that was made."""
        sets: dict[str, list[str]] = {}
        for policy in self.trained:
            if policy.chain_set:
                sets.setdefault(policy.chain_set, []).append(policy.name)
        return sets


def read_run(results: Path, policies: Sequence[PolicyFacts], seeds: bool = False, partial: bool = False) -> Run:
    """Read the files of a run.

    Args:
        seeds: whether the run was repeated at further seeds, so that there is a seeds.json.
        partial: leave out what is not there yet; otherwise every file must be there.

    Raises:
        DataError: a file is missing (with ``partial``, if no policy was evaluated and none has logged a step) or
            damaged, or policies were asked different questions; the message names the file.
    """
    run = Run(results, policies)

    def has(name: str) -> bool:
        if not partial or (results / name).is_file():
            return True
        run.missing.append(name)
        return False

    if has("data/summary.json"):
        run.summary = read_result(results / "data/summary.json")
    for policy in policies:
        if partial and not _has_begun(results / policy.name):
            run.not_begun.append(policy.name)
        else:
            _read_policy(run, policy, has, partial)
    refuse_different_hashes(run.evaluations)
    if not run.evaluations and not run.metrics:
        raise DataError(
            f"{results} has nothing to report yet: {results / policies[0].name}/eval.json is missing, and no policy "
            "has logged a step of its training"
        )
    for name in run.learners():
        if has(f"chains/{name}.json"):
            run.chain_sets[name] = read_result(results / f"chains/{name}.json")
    if seeds and has("seeds.json"):
        run.spread = read_result(results / "seeds.json")
    if not partial:
        run.comparisons = read_result(results / "comparisons.json")
    elif len(run.predictions) > 1:  # comparisons.json may be of answers that a later evaluation has replaced
        run.comparisons = compare(run.predictions)
    return run


def _has_begun(folder: Path) -> bool:
    """Whether a policy's folder holds more than the settings, which a run writes for all policies first."""
    return folder.is_dir() and any(file.suffix != ".yaml" for file in folder.iterdir())


def _read_policy(run: Run, policy: PolicyFacts, has: Any, partial: bool) -> None:
    folder = run.results / policy.name
    if has(f"{policy.name}/eval.json") and has(f"{policy.name}/predictions.jsonl"):
        run.evaluations[policy.name] = read_result(folder / "eval.json")
        run.predictions[policy.name] = read_result_rows(folder / "predictions.jsonl")
        if (folder / "timing.json").is_file():
            run.timings[policy.name] = read_result(folder / "timing.json")
    if not policy.is_trained:
        return
    if has(f"{policy.name}/metrics.json"):
        run.metrics[policy.name] = read_result(folder / "metrics.json")
    elif partial and (history := logged_so_far(folder)):
        nothing_more: dict[str, Any] = {"validation": [], "best_checkpoint": None, "val_samples": 0}
        run.metrics[policy.name] = {"history": history, **nothing_more}
    if policy.has_adapter and has(f"{policy.name}/merge.json"):
        run.proofs[policy.name] = read_result(folder / "merge.json")
    if policy.kept_rates and has(f"{policy.name}/pass_rates.json"):
        run.rates[policy.name] = read_result(folder / "pass_rates.json")


def refuse_different_hashes(evaluations: Mapping[str, Mapping[str, Any]]) -> None:
    """See that all policies were asked the same questions, by the hash of the ids in each eval.json.

    Raises:
        DataError: names two policies that were asked different questions.
    """
    if not evaluations:
        return
    (first, expected), *others = evaluations.items()
    for policy, scores in others:
        if scores["questions"] != expected["questions"]:
            raise DataError(
                f"{first} and {policy} were asked different questions: evaluate both on the same test split"
            )
