"""What a preview of an endpoint says before all questions are asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def preview_in_words(name: str, summary: Mapping[str, Any], file: Path) -> str:
    """Yield, tokens and expected cost, in one line.

    Args:
        name: of the set.
        summary: of the set, with what was ``spent``.
        file: which has the summary.
    """
    spent, asked = summary["spent"], summary["questions"]
    factor = spent["all_questions"] / asked
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in summary["rejected"].items())
    tokens = f"{spent['input_tokens'] * factor:,.0f} tokens in and {spent['output_tokens'] * factor:,.0f} out"
    cost = f", and cost {spent['cost'] * factor:.3g}" if spent["cost"] is not None else ""
    return (
        f"preview of {name}: {summary['questions_with_chain']} of {asked} questions have a chain that passes the "
        f"filters{f' (left out: {reasons})' if reasons else ''}. All {spent['all_questions']:,} questions would take "
        f"{spent['requests'] * factor:,.0f} requests, {tokens}{cost}. {file} shows some. Set chains.{name}.preview to "
        "null to ask all; the replies are kept"
    )
