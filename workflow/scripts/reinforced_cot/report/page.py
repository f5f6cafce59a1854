"""The report's page: verdicts, curves, breakdowns, gallery and origins, laid out by Jinja templates."""

import json
import os
import re
import zipfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import vl_convert
from markupsafe import Markup

from reinforced_cot.errors import DataError
from reinforced_cot.files import new_file, new_folder, write_text
from reinforced_cot.inert_text import visible
from reinforced_cot.report import (
    breakdowns,
    cells,
    chain_tables,
    doubts,
    gallery,
    labelled_chains,
    merge_tables,
    origins,
    tables,
)
from reinforced_cot.report.charts import PALETTE, Figure, as_svg
from reinforced_cot.report.curves import curves
from reinforced_cot.report.findings import findings_about
from reinforced_cot.report.run import Run
from reinforced_cot.report.verdicts import against_origins, is_clearly_better, verdicts
from reinforced_cot.scoring.hack_probes import NEAR, NEAR_KEEPING_THE_ANSWER

FILES = "report_files"
TEMPLATE = "report.html.j2"
_VEGA = "window.vegaEmbed = vegaEmbed;"


class Page:
    """Tables and figures as they are put into the page, each also a file beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.specs: dict[str, Any] = {}
        for name in ("tables", "figures"):
            (folder / name).mkdir()

    def table(self, key: str, frame: pd.DataFrame | None) -> Markup | None:
        """The table as HTML with a link to its CSV file; None for an empty one."""
        if frame is None or frame.empty:
            return None
        write_text(self._folder / "tables" / f"{key}.csv", cells.as_csv(frame))
        link = Markup('<p class="files"><a href="{}">CSV</a></p>').format(f"{FILES}/tables/{key}.csv")
        return Markup('<div class="table" tabindex="0" role="region" aria-label="{}">{}</div>{}').format(
            key.replace("-", " "), cells.as_html(frame), link
        )

    def figure(self, figure: Figure) -> Markup:
        """The place of a chart, with links to its SVG and CSV files."""
        self.specs[figure.key] = {"spec": figure.spec, "isCurve": figure.is_curve}
        write_text(self._folder / "figures" / f"{figure.key}.svg", as_svg(figure.spec))
        write_text(self._folder / "tables" / f"{figure.key}.csv", cells.as_csv(figure.table))
        says = Markup("").join(Markup('<p class="finding">{}</p>').format(line) for line in figure.says)
        return Markup(
            '<figure id="{key}"><figcaption>{title}</figcaption><div class="chart" data-chart="{key}" role="img" '
            'aria-label="{title}"></div>{says}<p class="files"><a href="{files}/figures/{key}.svg" aria-label="SVG of '
            '{title}">SVG</a> <a href="{files}/tables/{key}.csv" aria-label="CSV of {title}">CSV</a></p></figure>'
        ).format(key=figure.key, title=figure.title, says=says, files=FILES)


def write_report(run: Run, output: Path, templates: Path, command: str = "") -> None:
    """Write the page, and beside it the folder ``report_files`` with images, rows, tables and figures.

    The new folder replaces an old one only when it is whole.

    Args:
        output: the page, such as ``results/report.html``.
        templates: folder of the Jinja template with its style sheet and scripts.
        command: the call that asked for the report, if it is known.

    Raises:
        DataError: a template, the test split or one of its images is missing or damaged.
    """
    # The folder takes its place when the page is written, so that a full disk leaves both as they were.
    with new_file(output) as file, new_folder(output.parent / FILES) as folder:
        page = Page(folder)
        context = _context(run, page, folder, command)
        for name, text in _own_files(templates).items():
            context[name] = Markup(text)
        context["charts_script"] = Markup(_vega())
        context["table_module"] = b64encode(_table_library("js"))  # a page from a file can import it from its own text
        context["table_style"] = Markup(_in_script(_table_library("css").decode()))
        context["specs"] = _as_json(page.specs)
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_shown
        )
        file.write(read_template(environment, templates / TEMPLATE).render(context))
        file.flush()


def _context(run: Run, page: Page, folder: Path, command: str) -> dict[str, Any]:
    """What the template shows: texts, tables and places of charts."""
    findings = [
        finding
        for policy in run.trained
        if policy.name in run.metrics
        for finding in findings_about(run.results / policy.name, policy.method, run.metrics[policy.name]["history"])
    ]
    evaluations, comparisons = run.evaluations, run.comparisons
    scripts, sizes = gallery.write_gallery(run, folder) if run.predictions else ([], {})
    said, doubted = verdicts(evaluations, comparisons, run.origins), doubts.of_policies(run, findings)
    pairs = against_origins(evaluations, comparisons, run.origins)
    accuracies = [page.figure(figure) for figure in breakdowns.accuracies(run)]
    written = {name: found for name, found in run.metrics.items() if found["validation"]}
    return {
        "title": run.results.resolve().name,
        "policies": _described(run),
        "n": next((scores["n"] for scores in evaluations.values()), 0),
        "images": next((scores["n_images"] for scores in evaluations.values()), 0),
        "not_begun": run.not_begun,
        "doubts": doubts.of_the_run(run),
        "verdicts": [
            (policy.name, said.get(policy.name), pairs.get(policy.name), doubted.get(policy.name, []))
            for policy in run.policies
            if policy.name in said or policy.name in doubted
        ],
        "is_clearly_better": is_clearly_better,
        "accuracy": accuracies[:1],
        "overview": page.table("policies", tables.overview(evaluations, run.spread) if evaluations else None),
        "seeds": page.table("seeds", tables.seeds(run.spread, [*evaluations]) if run.spread else None),
        "sampling": page.table("sampling", tables.sampling(evaluations)),
        "curves": [page.figure(figure) for figure in curves(run, findings)],
        "differences": page.table("differences", tables.differences(comparisons)),
        "differences_by_type": page.table("differences-by-type", tables.differences_by_type(comparisons)),
        "where": [
            *[page.figure(figure) for figure in breakdowns.changes(run)],
            *accuracies[1:],
            *[page.figure(figure) for figure in breakdowns.by_image_size(run, sizes)],
            *[page.figure(figure) for figure in breakdowns.confusion(run)],
        ],
        "true_answers": page.table("true-answers", tables.true_answers(evaluations)),
        "consistency": page.table("chain-consistency", tables.consistency(evaluations)),
        "labels": [page.figure(figure) for figure in labelled_chains.chart(run)],
        "label_notes": labelled_chains.notes(run),
        "label_counts": page.table("label-counts", labelled_chains.table(run)),
        "cheating": [page.figure(figure) for figure in breakdowns.probes(run)],
        "probes": page.table("probes", tables.probes(evaluations)),
        "near": NEAR,
        "near_keeping": NEAR_KEEPING_THE_ANSWER,
        "official": page.table("gqa-metrics", tables.official(evaluations)),
        "gallery": {"scripts": scripts, "folder": FILES, "facts": _as_json(_gallery_facts(run, pairs))},
        "written": [(name, page.table(f"written-{name}", tables.written(found))) for name, found in written.items()],
        "merges": page.table("merges", merge_tables.merge_proofs(run.proofs)),
        "quantized": page.table("quantized-merges", merge_tables.quantized_merges(run.proofs)),
        "chain_sets": page.table("chain-sets", chain_tables.chain_sets(run.chain_sets, run.learners())),
        "rejections": page.table("rejections", chain_tables.rejections(run.chain_sets)),
        "chains_shown": [
            (name, page.table(f"chains-{name}", chain_tables.shown(made))) for name, made in run.chain_sets.items()
        ],
        "pass_rates": page.table("pass-rates", chain_tables.pass_rates(run.rates, _kept(run))),
        "summary": run.summary,
        "cost": page.table("cost", origins.cost(run)),
        "setting_differences": [
            (method, page.table(f"settings-{method}", frame)) for method, frame in origins.settings_that_differ(run)
        ],
        "origin": page.table("origin", origins.origin(run, command)),
        "configuration": origins.configuration(run),
    }


def _described(run: Run) -> list[dict[str, Any]]:
    """Each policy with the one it starts from, and whether it was trained and evaluated, for the picture of the run."""
    return [
        {
            "name": policy.name,
            "origin": policy.origin,
            "method": policy.method,
            "steps": run.metrics.get(policy.name, {}).get("steps"),
            "accuracy": run.evaluations[policy.name]["accuracy"] if policy.name in run.evaluations else None,
            "number": number % len(PALETTE),  # as `charts.colour`
        }
        for number, policy in enumerate(run.policies)
    ]


def _gallery_facts(run: Run, pairs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the gallery's script must know: the evaluated policies, and the one that each is compared with.

    Args:
        pairs: as `against_origins` finds them.
    """
    chains = {policy: gallery.hash_of_chains(rows) for policy, rows in run.predictions.items()}
    before = {policy: pair["before"] for policy, pair in pairs.items()}
    return {"run": run.results.resolve().name, "policies": [*run.predictions], "before": before, "chains": chains}


def _kept(run: Run) -> dict[str, Sequence[float]]:
    return {policy.name: policy.kept_rates for policy in run.trained if policy.kept_rates}


def _table_library(ending: str) -> bytes:
    """DataTables, as the package itables carries it."""
    return (resources.files("itables") / "html" / f"dt_bundle.{ending}").read_bytes()


def _own_files(templates: Path) -> dict[str, str]:
    """The style sheet and scripts of the page, by their names in the template.

    Raises:
        DataError: one is missing.
    """
    names = {"style": "report.css", "charts_code": "report.charts.js", "gallery_code": "report.gallery.js"}
    try:
        return {name: _in_script((templates / file).read_text(encoding="utf-8")) for name, file in names.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{templates} cannot be read ({error}): restore it, `git checkout -- {templates}`") from None


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return _in_script(vl_convert.javascript_bundle(_VEGA))


def _in_script(text: str) -> str:
    """The text as it may stand in a script or style element, which its own end tag would end."""
    return re.sub(r"</(?=script|style)|<(?=!--)", lambda match: "<\\" + match[0][1:], text, flags=re.IGNORECASE)


def zipped(output: Path) -> Path:
    """Put the page and its folder into one file beside it, such as ``report.zip``; its path."""
    target = output.with_suffix(".zip")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in [output, *sorted((output.parent / FILES).rglob("*"))]:
                if file.is_file():
                    archive.write(file, Path(target.stem) / file.relative_to(output.parent))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _shown(value: Any) -> Any:
    """Every text that the template shows, as `visible`; what is HTML was made of such texts."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def read_template(environment: jinja2.Environment, template: Path) -> jinja2.Template:
    """The page's template.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return environment.from_string(template.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, jinja2.TemplateSyntaxError) as error:
        raise DataError(f"{template} cannot be read ({error}): restore it, `git checkout -- {template}`") from None


def _as_json(value: Any) -> Markup:
    """JSON as it may stand in a script element."""
    return Markup(json.dumps(value).replace("<", "\\u003c"))
