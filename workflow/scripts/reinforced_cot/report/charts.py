"""The report's charts as Vega-Lite specifications (by Altair), for the page and as SVG files.

Colours are CSS variables, which the browser looks up when it draws, so that one chart serves light and dark pages.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from reinforced_cot.inert_text import visible

# Okabe and Ito's palette, which colour-blind readers can tell apart; the page's style sheet has the same for dark.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#a8518a", "#8a6d00", "#3a8fb7", "#555555", "#b8352a")
_PLAIN = {"ink": "#1c2024", "quiet": "#5a6470", "rule": "#d9dee4", "paper": "#ffffff"}
# As a whole text, so that no text of data is taken for one that only contains it.
_VARIABLE = re.compile(rf'"var\(--({"|".join(_PLAIN)}|series)-?([0-{len(PALETTE) - 1}]?)\)"')
_MOST_STEPS = 400  # points of one line; more are averaged

Spec = dict[str, Any]


class Figure(NamedTuple):
    """A chart of the page.

    Attributes:
        key: its name as a file and as a place in the page.
        title: what it shows, as a heading.
        spec: Vega-Lite.
        table: its numbers, for readers who want or need these.
        says: sentences below it.
        is_curve: whether the page's smoothing applies to it.
    """

    key: str
    title: str
    spec: Spec
    table: pd.DataFrame
    says: Sequence[str] = ()
    is_curve: bool = False


def colour(number: int) -> str:
    """The CSS variable of a policy's colour, by its place in the report."""
    return f"var(--series-{number % len(PALETTE)})"


def curve(
    key: str,
    title: str,
    lines: Mapping[str, pd.Series],
    label: str,
    colours: Mapping[str, int],
    says: Sequence[str] = (),
) -> Figure:
    """Lines over training steps: as logged (faint) and smoothed; they can be dragged, and zoomed with Ctrl and wheel.

    Args:
        lines: by name, values by step; gaps and infinite values are left out.
        label: of the vertical axis.
        colours: the number of each line's colour; a name that it lacks gets the next one.
    """
    rows: list[dict[str, Any]] = []
    for name, values in lines.items():
        logged = _thinned(values[np.isfinite(values)])  # JSON has no infinite numbers
        rows += [
            {"step": int(step), "value": float(value), "smooth": float(value), "line": name}
            for step, value in logged.items()
        ]
    names = [*lines]
    base = alt.Chart(alt.NamedData(name="curve")).encode(
        x=alt.X("step:Q", title="step", axis=alt.Axis(tickMinStep=1, format="~s")),
        color=alt.Color(
            "line:N",
            scale=_scale(names, colours),
            title=None,
            legend=alt.Legend(orient="top", columns=4 if len(names) <= 4 else 2, labelLimit=150, symbolOpacity=1),
        ),
    )
    tips = [alt.Tooltip("line:N", title="line"), alt.Tooltip("step:Q"), alt.Tooltip("value:Q", format=".4~g")]
    zero = alt.Scale(zero=False, nice=True)
    faint = base.mark_line(opacity=0.25, strokeWidth=1).encode(
        y=alt.Y("value:Q", title=label, scale=zero), tooltip=tips
    )
    strong = base.mark_line(strokeWidth=2, point={"size": 18, "filled": True}).encode(
        y=alt.Y("smooth:Q", title=label), tooltip=tips
    )
    zoom = alt.selection_interval(bind="scales", zoom="wheel![event.ctrlKey]", clear="dblclick")
    chart = (faint + strong.add_params(zoom)).properties(width="container", height=220, description=title)
    # A step that was logged twice is from a training that was resumed: the later value holds.
    table = pd.DataFrame({name: values.dropna().groupby(level=0).last() for name, values in lines.items()})
    table.index.name = "step"
    return Figure(key, title, _finished(chart, {"curve": rows}), table, says, is_curve=True)


def dots(
    key: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    label: str,
    colours: Mapping[str, int],
    is_difference: bool = False,
) -> Figure:
    """Dots with intervals, one line per class and in it one per name.

    Args:
        rows: mappings with ``class``, ``name``, ``value``, and ``low``, ``high`` (None without an interval), ``n``.
        names: the series, in order.
        label: of the horizontal axis.
        is_difference: whether values are differences, so that zero is marked.
    """
    classes = list(dict.fromkeys(row["class"] for row in rows))
    form = "+.3f" if is_difference else ".3f"
    tips = [
        alt.Tooltip("class:N", title="of"),
        alt.Tooltip("name:N", title="policy"),
        alt.Tooltip("value:Q", format=form),
        alt.Tooltip("low:Q", title="from", format=form),
        alt.Tooltip("high:Q", title="to", format=form),
        alt.Tooltip("n:Q", title="questions"),
    ]
    has_legend = len(names) > 1 and {*classes} != {*names}  # a line each needs none
    height = (max(12, 15 * len(names) + 6) if has_legend else 28) * len(classes)
    shared: dict[str, Any] = {
        "y": alt.Y(
            "class:N",
            sort=classes,
            title=None,
            axis=alt.Axis(labelLimit=220, labelPadding=8, ticks=False, domain=False, grid=True),
        ),
        "color": _named_colours(names, colours, has_legend),
    }
    if has_legend:
        shared["yOffset"] = alt.YOffset("name:N", sort=[*names])
    bounds = alt.Scale() if is_difference else alt.Scale(domain=[0, 1])
    base = alt.Chart(alt.NamedData(name="dots"))
    ticks = alt.Axis(format="+.2~f" if is_difference else ".1f", tickCount=10 if not is_difference else 6)
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title=label, scale=bounds, axis=ticks), x2="high:Q", **shared
    )
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("value:Q", title=label, scale=bounds), tooltip=tips, **shared
    )
    layers = [bars, points]
    if is_difference:
        zero = alt.Chart(alt.InlineData(values=[{"at": 0}])).mark_rule(color="var(--quiet)", strokeDash=[3, 3])
        layers.insert(0, zero.encode(x="at:Q"))
    chart = alt.layer(*layers).properties(width="container", height=height, description=title)
    return Figure(key, title, _finished(chart, {"dots": [dict(row) for row in rows]}), pd.DataFrame(rows))


def bars(
    key: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    label: str,
    colours: Mapping[str, int],
) -> Figure:
    """Horizontal bars, one per class and name: mappings with ``class``, ``name`` and ``value``."""
    classes = list(dict.fromkeys(row["class"] for row in rows))
    chart = (
        alt.Chart(alt.NamedData(name="bars"))
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=label),
            y=alt.Y("class:N", sort=classes, title=None, axis=alt.Axis(labelLimit=260, ticks=False)),
            yOffset=alt.YOffset("name:N", sort=[*names]),
            color=_named_colours(names, colours, len(names) > 1),
            tooltip=[alt.Tooltip("class:N", title="of"), "name:N", alt.Tooltip("value:Q", format=".3~f")],
        )
        .properties(width="container", height=max(24, 13 * len(names) + 8) * len(classes), description=title)
    )
    return Figure(key, title, _finished(chart, {"bars": [dict(row) for row in rows]}), pd.DataFrame(rows))


def grid(
    key: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    order: Sequence[str],
    columns: Sequence[str],
    axes: tuple[str, str],
) -> Figure:
    """A matrix of shares: mappings with ``row``, ``column``, ``share`` (0 to 1) and ``n``.

    Args:
        order, columns: all rows and columns, in their order.
        axes: the titles of rows and of columns.
    """
    base = alt.Chart(alt.NamedData(name="grid")).encode(
        x=alt.X(
            "column:N",
            sort=[*columns],
            scale=alt.Scale(domain=[*columns]),
            title=axes[1],
            axis=alt.Axis(labelAngle=-40, labelLimit=110, orient="top"),
        ),
        y=alt.Y("row:N", sort=[*order], title=axes[0], axis=alt.Axis(labelLimit=140)),
        tooltip=["row:N", "column:N", "n:Q", alt.Tooltip("share:Q", format=".0%")],
    )
    cells = base.mark_rect(color=colour(0)).encode(
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.9]), legend=None)
    )
    texts = base.mark_text(fontSize=10, color="var(--ink)").encode(text=alt.Text("n:Q"))
    chart = (cells + texts).properties(width="container", height=max(60, 24 * len(order)), description=title)
    return Figure(key, title, _finished(chart, {"grid": [dict(row) for row in rows]}), pd.DataFrame(rows))


def _scale(names: Sequence[str], colours: Mapping[str, int]) -> Any:
    """The colour of each name: the policy's own, or the next one."""
    return alt.Scale(domain=[*names], range=[colour(colours.get(name, number)) for number, name in enumerate(names)])


def _named_colours(names: Sequence[str], colours: Mapping[str, int], has_legend: bool) -> Any:
    legend = alt.Legend(orient="top") if has_legend else None
    return alt.Color("name:N", scale=_scale(names, colours), title=None, legend=legend)


def as_svg(spec: Spec, width: int = 640) -> str:
    """The chart as an SVG text in the colours of a light page.

    Args:
        width: in pixels, where the page gives it the width of its column.
    """

    def plain(match: re.Match[str]) -> str:
        name, number = match.groups()
        return json.dumps(PALETTE[int(number)] if number else _PLAIN[name])

    text = _VARIABLE.sub(plain, json.dumps(spec))
    fixed = json.loads(text)
    fixed["width"] = width
    fixed["background"] = _PLAIN["paper"]
    return str(vl_convert.vegalite_to_svg(fixed))


def _thinned(values: pd.Series) -> pd.Series:
    """A long line with steps averaged in equal parts, so that a page with many of them stays light."""
    if len(values) <= _MOST_STEPS:
        return values
    part = -(-len(values) // _MOST_STEPS)
    groups = [position // part for position in range(len(values))]
    means = values.groupby(groups).mean()
    means.index = values.index.to_series().groupby(groups).last().tolist()
    return means


def _finished(chart: Any, datasets: Mapping[str, Any]) -> Spec:
    """The chart with the report's looks, as a specification that holds its data."""
    text = {"labelColor": "var(--quiet)", "titleColor": "var(--ink)", "labelFontSize": 11, "titleFontWeight": "normal"}
    styled = (
        # Without a role of its own for each mark: the page says what the chart shows, and links its numbers.
        chart.configure(background="transparent", font="system-ui, sans-serif", aria=False)
        .configure_mark(aria=False)
        .configure_axis(**text, gridColor="var(--rule)", domainColor="var(--quiet)", tickColor="var(--quiet)")
        .configure_legend(labelColor="var(--ink)", symbolStrokeWidth=2, labelFontSize=12)
        .configure_view(stroke=None)
    )
    spec: Spec = styled.to_dict()
    spec["datasets"] = {**spec.get("datasets", {}), **datasets}
    return cast(Spec, _inert(spec))


def _inert(value: Any) -> Any:
    """The value with all texts as `visible`: XML has no control characters, and one of them would end the process that
    draws the SVG.
    """
    if isinstance(value, dict):
        return {key: _inert(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_inert(part) for part in value]
    return visible(value) if isinstance(value, str) else value
