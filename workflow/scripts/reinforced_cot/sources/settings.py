"""The section ``data``: where questions and images come from."""

from typing import Annotated, Literal

from pydantic import Field

from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.section import Count, Section, Seed, Share, Text

QuestionType = Literal["color", "value", "neighbor_color", "neighbor_value", "choose", "compare"]


class Split(Section):
    """One split. Digits need only `size`; `gqa_cot` needs `file` and `images`."""

    file: Text | None = None
    """gqa_cot: the JSONL file of questions."""

    images: Text | None = None
    """gqa_cot: the folder that holds `{imageId}.jpg`. Its files are not watched: after you replace some, add
    `--forcerun prepare_data`.
    """

    part: Annotated[tuple[Share, Share], Field(strict=False)] | None = None
    """gqa_cot: [from, to], the share of the images (by content hash) that belongs to this split; null for all."""

    size: Count | None = None
    """How many questions, drawn at random; null for all of the file (digits need a number)."""


class Splits(Section):
    """SFT and RL learn from train, SFT chooses its checkpoint on val, every policy is evaluated on test."""

    train: Split
    val: Split
    test: Split


class Digits(Section):
    """The generated scenes; read only with `source: digits`."""

    train_question_types: Annotated[tuple[QuestionType, ...], Field(strict=False, min_length=1)] | None = None
    """Question types that train draws from evenly; a type that is named twice is drawn twice as often. null for all
    types.
    """

    shortcut_share: Share = 0.0
    """Share of the chains about two objects that skip the second object, as a hasty teacher's chains do."""


class DataSettings(Section):
    """Where questions and images come from."""

    source: Literal["digits", "gqa_cot"]
    """`digits` generates scenes of handwritten digits; `gqa_cot` reads JSONL beside an image folder."""

    splits: Splits

    digits: Digits = Digits()

    max_rejected_share: Share = 0.02
    """A split with a larger share of bad records is refused."""


class PreparedSplit(Section):
    """The keys that `prepare_data` reads for one split; those of the other splits are not among them."""

    seed: Seed
    image: PixelBudget
    source: str
    digits: Digits | None
    max_rejected_share: float
    split: Split
