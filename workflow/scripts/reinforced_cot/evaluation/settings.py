"""The section ``evaluate``: GQA's own files, for its official metrics."""

from reinforced_cot.section import Section, Text


class Evaluating(Section):
    """How the answers of every policy are scored."""

    gqa_questions: Text | None = None
    """GQA's own questions file of the test split, for its official metrics; null for none."""

    gqa_choices: Text | None = None
    """GQA's choices file, for validity and plausibility; null for none."""
