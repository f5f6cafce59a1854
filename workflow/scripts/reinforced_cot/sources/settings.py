"""The section ``data``: where questions and images come from."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Literal, NamedTuple

from pydantic import Discriminator, Field, Tag

from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.section import Count, Section, Seed, Share, Text
from reinforced_cot.sources.column_settings import Columns
from reinforced_cot.sources.suffixes import is_archive
from reinforced_cot.sources.table_files import table_files

QuestionType = Literal["color", "value", "neighbor_color", "neighbor_value", "choose", "compare"]


Size = Count | Annotated[float, Field(gt=0, lt=1)]
SourceName = Literal["digits", "gqa_cot", "table"]
OWN_FUNCTION, HUB_ID = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", r"^[\w.-]+/[\w.-]+$"
OwnFunction = Annotated[str, Field(pattern=OWN_FUNCTION)]
HubId = Annotated[str, Field(pattern=HUB_ID)]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Source(Section):
    """One source of questions. Digits need only `size`; `gqa_cot` needs `file` and `images`; `table` needs `file`, or
    `hub` with `revision`.
    """

    source: SourceName | None = None
    """Where the questions come from; null for `data.source`."""

    file: Text | None = None
    """gqa_cot: the JSONL file of questions. table: a file (.jsonl, .json, .csv, .tsv, .parquet, .arrow), a folder of
    such files, of images, or of a saved data set, or an archive (.zip, .tar, .tar.gz) of these.
    """

    member: Text | None = None
    """table: the file or folder within the archive `file`; null for all of it."""

    images: Text | None = None
    """gqa_cot: the folder that holds `{imageId}.jpg`. table: the folder or the archive from which the file names its
    images; null for the folder of `file`. The files of a folder are not watched: after you replace some, add
    `--forcerun prepare_data`.
    """

    columns: Columns | None = None
    """table: which column holds what, as far as its name does not say so."""

    question: Text | None = None
    """table: the question of every record, for data without questions."""

    convert: OwnFunction | None = None
    """table: a function of your own, `module:function`, from a row to a record, in place of `columns`."""

    hub: HubId | None = None
    """table: a data set on the Hugging Face Hub, `owner/name`, in place of `file`."""

    revision: Commit | None = None
    """table: the commit of `hub`."""

    hub_config: Text | None = None
    """table: the configuration of `hub`; null for its default."""

    hub_split: Text | None = None
    """table: the split of `hub`; null for the one of the same name (val: validation)."""

    part: Annotated[tuple[Share, Share], Field(strict=False)] | None = None
    """[from, to], the share of the images (by content hash) that belongs to this split; null for all."""

    size: Size | None = None
    """How many questions, drawn at random: a number, or below 1 a share of the source; null for all (digits need a
    number).
    """

    @property
    def read_files(self) -> list[str]:
        """The files whose content decides what is prepared; errors as for `table_files`."""
        files = [self.images] if self.images and is_archive(self.images) else []
        if not self.file:
            return files
        if self.source != "table" or not Path(self.file).is_dir():
            return [self.file, *files]
        found = table_files(Path(self.file))
        return [*map(str, found.rows), *map(str, found.others), *files]

    @property
    def image_folders(self) -> list[str]:
        """The folders of images."""
        if self.images:
            return [] if is_archive(self.images) else [self.images]
        return [self.file] if self.file and Path(self.file).is_dir() else []


class Reads(NamedTuple):
    """Which keys a source reads beside `part` and `size`, and why it cannot do without some of them."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    why: Mapping[str, str]


READS = {
    "digits": Reads(("size",), (), {"size": "digits are generated, say how many questions"}),
    "gqa_cot": Reads(
        ("file", "images"),
        ("part", "size"),
        {"file": "`source: gqa_cot` reads it", "images": "`source: gqa_cot` reads it"},
    ),
    "table": Reads(
        (),
        (
            "file",
            "member",
            "images",
            "columns",
            "question",
            "convert",
            "hub",
            "revision",
            "hub_config",
            "hub_split",
            "part",
            "size",
        ),
        {},
    ),
}
SOURCE_FIELDS = tuple(name for name in Source.model_fields if name != "source")
PATH_FIELDS = ("file", "images")  # that must exist
SPLITS_OF_HUB = {"val": "validation"}  # as most data sets call it
CONVERSION = "conversion"  # what the function under `convert` is to the user
GQA_SOURCES = ("gqa_cot",)  # whose question ids are GQA's


def source_names(sources: Sequence[Source]) -> list[str]:
    """A short name for each of several sources: that of its file, with a number where two have the same."""
    names = [
        PurePath(source.file).stem if source.file else (source.hub or str(source.source)).rpartition("/")[2]
        for source in sources
    ]
    return [
        name if names.count(name) == 1 else f"{name}-{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]


Split = Annotated[
    Annotated[Source, Tag("<one>")]
    | Annotated[tuple[Source, ...], Field(strict=False, min_length=1), Tag("<several>")],
    Discriminator(lambda value: "<several>" if isinstance(value, list | tuple) else "<one>"),
]


class Splits(Section):
    """SFT and RL learn from train, SFT chooses its checkpoint on val, every policy is evaluated on test. A split is one
    source, or a list of several.
    """

    train: Split
    val: Split
    test: Split

    def __getitem__(self, name: str) -> tuple[Source, ...]:
        """The sources of a split."""
        split: Split = getattr(self, name)
        return split if isinstance(split, tuple) else (split,)


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

    source: SourceName | None = None
    """Where questions of splits come from that do not say it themselves: `digits` generates scenes of handwritten
    digits; `gqa_cot` reads JSONL beside an image folder; `table` reads data of nearly any form.
    """

    splits: Splits

    digits: Digits = Digits()

    max_rejected_share: Share = 0.02
    """A split with a larger share of bad records is refused."""

    def sources(self, split: str) -> tuple[Source, ...]:
        """The sources of a split, each with its name."""
        return tuple(
            source if source.source else source.model_copy(update={"source": self.source})
            for source in self.splits[split]
        )


class PreparedSplit(Section):
    """The keys that `prepare_data` reads for one split; those of the other splits are not among them."""

    seed: Seed
    image: PixelBudget
    digits: Digits | None
    max_rejected_share: float
    sources: Annotated[tuple[Source, ...], Field(strict=False)]
