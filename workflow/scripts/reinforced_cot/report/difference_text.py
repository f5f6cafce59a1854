"""The difference between two policies in plain text, for a terminal."""

from collections.abc import Mapping
from typing import Any

from reinforced_cot.inert_text import visible
from reinforced_cot.report.cells import interval, p_value, signed
from reinforced_cot.report.tables import is_significant


def as_text(pair: Mapping[str, Any]) -> str:
    """A pair of `evaluation.comparisons.compare`: the whole, then each type of questions, the most changed first."""
    types = sorted(pair["by_question_type"].items(), key=lambda item: -abs(item[1]["difference"]))
    width = max(len("question type"), *(len(visible(name)) for name, _ in types))
    lines = [
        f"{visible(pair['after'])} against {visible(pair['before'])}: {signed(pair['difference'])} "
        f"{interval(pair['interval'], signs=True)} in accuracy on {pair['n']} questions, p {p_value(pair['p_value'])}",
        f"{pair['gained']} questions gained, {pair['lost']} lost",
        "",
        f"{'question type':{width}}  difference  gained  lost  questions",
    ]
    for name, part in types:
        star = "*" if is_significant(part) else " "
        counts = f"{part['gained']:6}  {part['lost']:4}  {part['n']:9}"
        lines.append(f"{visible(name):{width}}  {signed(part['difference'])}{star:4}  {counts}")
    if any(is_significant(part) for _, part in types):
        lines.append("*: more than chance (p below 0.05 after Holm's correction)")
    return "\n".join(lines)
