"""The report's content: tables by pandas, curves by matplotlib, laid out by a Jinja template. No torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation import chain_tables
from reinforced_cot.evaluation import report_tables as tables
from reinforced_cot.evaluation.report_curves import curves, history
from reinforced_cot.evaluation.verdicts import verdicts
from reinforced_cot.result_files import read_result
from reinforced_cot.scoring.hack_probes import NEAR, NEAR_KEEPING_THE_ANSWER


def render(
    results: Path,
    policies: Sequence[str],
    losses: Mapping[str, str],
    merged: Sequence[str],
    template: Path,
    seeds: bool = False,
    chains: Mapping[str, Sequence[str]] | None = None,
    keep: Mapping[str, Sequence[float]] | None = None,
    origins: Mapping[str, str] | None = None,
) -> str:
    """The page as HTML text, with styles and pictures inside it.

    Args:
        results: folder of the run, with comparisons.json, eval.json of each policy, metrics.json of the trained ones,
            merge.json of the merged ones, and data/summary.json.
        policies: names, in the order of the report.
        losses: of each trained one, the title above the curve of its loss; empty for none.
        merged: those among them that were trained as adapters.
        template: Jinja file; all text that comes from a model or from data is escaped.
        seeds: whether there is a seeds.json as well.
        chains: the policies that learn from each chain set that was made, by its name.
        origins: the policy that each trained one starts from.
        keep: by policy, the least and the greatest pass rate of the questions that it was trained on.
    """
    evaluations = {policy: read_result(results / policy / "eval.json") for policy in policies}
    refuse_different_hashes(evaluations)
    metrics = {policy: read_result(results / policy / "metrics.json") for policy in policies if policy in losses}
    histories = {policy: history(found) for policy, found in metrics.items()}
    comparisons = read_result(results / "comparisons.json")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    first = evaluations[policies[0]]
    spread = read_result(results / "seeds.json") if seeds else None
    sets = {name: read_result(results / "chains" / f"{name}.json") for name in chains or {}}
    rates = {policy: read_result(results / policy / "pass_rates.json") for policy in keep or {}}
    return read_template(environment, template).render(
        title=results.resolve().name,
        n=first["n"],
        images=first["n_images"],
        warnings=tables.few_images(first["n_images"]),
        verdicts=verdicts(evaluations, comparisons, origins or {}),
        failed_grades=tables.failed_grades(histories),
        lost_variety=tables.lost_variety(evaluations),
        true_answers=tables.as_html(tables.true_answers(evaluations)),
        overview=tables.as_html(tables.overview(evaluations, spread)),
        sampling=_unless_empty(tables.sampling(evaluations)),
        seeds=tables.as_html(tables.seeds(spread, policies)) if spread else None,
        differences=_unless_empty(tables.differences(comparisons)),
        differences_by_type=_unless_empty(tables.differences_by_type(comparisons)),
        breakdowns=[
            (title, tables.as_html(tables.breakdown(evaluations, key)))
            for key, title in tables.BREAKDOWNS.items()
            if any(scores[key] for scores in evaluations.values())
        ],
        consistency=tables.as_html(tables.consistency(evaluations)),
        probes=tables.as_html(tables.probes(evaluations)),
        near=NEAR,
        near_keeping=NEAR_KEEPING_THE_ANSWER,
        flags=[*tables.flags(evaluations), *tables.training_flags(histories)],
        official=_unless_empty(tables.official(evaluations)),
        merges=_unless_empty(merge_proofs(results, merged)),
        quantized=_unless_empty(quantized_merges(results, merged)),
        chain_sets=_unless_empty(chain_tables.chain_sets(sets, chains or {})),
        rejections=_unless_empty(chain_tables.rejections(sets)),
        chains_shown=[(name, tables.as_html(chain_tables.shown(made))) for name, made in sets.items()],
        pass_rates=_unless_empty(chain_tables.pass_rates(rates, keep or {})),
        curves=curves(histories, losses, {policy: found["val_samples"] for policy, found in metrics.items()}),
        written=[
            (policy, tables.as_html(tables.written(found))) for policy, found in metrics.items() if found["validation"]
        ],
        summary=read_result(results / "data" / "summary.json"),
    )


def read_template(environment: jinja2.Environment, template: Path) -> jinja2.Template:
    """The page's template.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return environment.from_string(template.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, jinja2.TemplateSyntaxError) as error:
        raise DataError(f"{template} cannot be read ({error}): restore it, `git checkout -- {template}`") from None


def _unless_empty(table: pd.DataFrame) -> str | None:
    return None if table.empty else tables.as_html(table)


def refuse_different_hashes(evaluations: Mapping[str, Mapping[str, Any]]) -> None:
    """See that all policies were asked the same questions, by the hash of the ids in each eval.json.

    Raises:
        DataError: names two policies that were asked different questions.
    """
    (first, expected), *others = evaluations.items()
    for policy, scores in others:
        if scores["questions"] != expected["questions"]:
            raise DataError(
                f"{first} and {policy} were asked different questions: evaluate both on the same test split"
            )


def merge_proofs(results: Path, merged: Sequence[str]) -> pd.DataFrame:
    """One row per merged policy: what its proof says of the adapter's effect (see `lora.merge_proof`)."""
    columns = ["adapter_vs_base", "adapter_vs_merged", "effect_kept", "effect_error", "form", "dtype"]
    return pd.DataFrame(
        {policy: {key: read_result(results / policy / "merge.json")[key] for key in columns} for policy in merged}
    ).T


def quantized_merges(results: Path, merged: Sequence[str]) -> pd.DataFrame:
    """One row per policy whose adapter was trained on a quantized base: what merging changed (`quantized_merge`)."""
    measured = {policy: read_result(results / policy / "merge.json")["measured"] for policy in merged}
    return pd.DataFrame({policy: row for policy, row in measured.items() if row}).T
