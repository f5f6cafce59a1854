"""The section `columns` of a source: which column of a table holds what."""

from typing import Annotated

from pydantic import Field

from reinforced_cot.section import Section, Text

Column = str | None


class Columns(Section):
    """Which column of a table holds what. A column is named as it stands in the file; `meta.q` and
    `conversations.0.value` name what lies within one. null finds it by common names; "" says that there is none.
    """

    id: Column = None
    """The name of the record, unique within the split. Records without ids are named by a hash of their content."""

    question: Column = None
    """The question; `<image>` in it is the place of an image."""

    images: Column = None
    """One image or a list: a path, the file's content, or both as the `datasets` library stores them."""

    image: Column = None
    """Another name for `images`."""

    answers: Column = None
    """The true answer, or a list of those that several people gave. With choices, a whole number counts them from 0,
    and a letter from A.
    """

    answer: Column = None
    """Another name for `answers`."""

    choices: Column = None
    """What a multiple-choice question offers: a list, or a text with `|` between the choices."""

    chain: Column = None
    """The chain of thought."""

    chain_answer: Column = None
    """The answer that the chain leads to, where it is not the true one."""

    question_type: Column = None
    """The group by which metrics are broken down; without this column, it is inferred from the wording."""

    answer_kind: Column = None
    """How answers are compared, such as `number` (docs/answer-kinds.md); in place of `data.answer_kind`."""

    extra: Annotated[tuple[Text, ...], Field(strict=False)] | None = None
    """A list of further columns, which rewards get."""
