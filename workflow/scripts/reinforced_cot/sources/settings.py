"""The section ``data``: where questions and images come from."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.section import Section, Seed, Share, Text
from reinforced_cot.tables.column_settings import Columns
from reinforced_cot.tables.table_files import chunk_files, table_files
from reinforced_cot.tables.table_formats import is_archive

QuestionType = Literal["color", "value", "neighbor_color", "neighbor_value", "choose", "compare"]


def _is_size(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (0 < value < 1 or (isinstance(value, int) and value >= 1)):
        raise PydanticCustomError(
            "explained", "it must be a whole number of questions, or below 1 a share of the source"
        )
    return value


Size = Annotated[
    Any,
    AfterValidator(_is_size),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}]}
    ),
]
SourceName = Literal["digits", "table", "conversations", "gqa", "gqa_cot", "vqa", "choices"]
Subset = Literal["train", "val", "test"]
OWN_FUNCTION, HUB_ID = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", r"^[\w.-]+/[\w.-]+$"
OwnFunction = Annotated[str, Field(pattern=OWN_FUNCTION)]
HubId = Annotated[str, Field(pattern=HUB_ID)]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Source(Section):
    """One source of questions. Digits need `size`; `table` needs `file`, or `hub` with `revision`; every other source
    needs `file`, and, unless it is `conversations`, `images`.
    """

    source: SourceName | None = None
    """Where the questions come from; null for `data.source`."""

    file: Text | None = None
    """The file of questions. table: .jsonl, .json, .csv, .tsv, .parquet or .arrow, a folder of such files or of images,
    or a saved data set. conversations: LLaVA's, ShareGPT's or OpenAI's form, as a JSON array or JSON lines. gqa: a
    question file of GQA, or the folder of its chunks. gqa_cot: JSONL. vqa: VQAv2's or OK-VQA's questions. choices:
    A-OKVQA's file or ScienceQA's `problems.json`. It may stand in an archive (.zip, .tar, .tar.gz).
    """

    member: Text | None = None
    """The file or folder within the archive `file`; null for all of it."""

    annotations: Text | None = None
    """vqa: the file of all annotators' answers, `v2_mscoco_val2014_annotations.json` or alike."""

    images: Text | None = None
    """The folder, or the archive, of images. table, conversations: names of images are relative to it; null for the
    folder of `file`. gqa_cot, gqa: it holds `{imageId}.jpg`. vqa, choices: COCO's images, or ScienceQA's folder of
    `train`, `val` and `test`. The files of a folder are not watched: after you replace some, add
    `--forcerun prepare_data`.
    """

    balanced_only: bool | None = None
    """gqa: whether only questions with `isBalanced` are read, as GQA's official metrics do; null for false."""

    subset: Subset | None = None
    """choices: the rows of this `split` are read. null for the split that reads them in ScienceQA, and for all rows in
    A-OKVQA, which has a file for each split. ScienceQA's splits share images: give them `part`s as well.
    """

    columns: Columns | None = None
    """table: which column holds what, as far as its name does not say so."""

    question: Text | None = None
    """table: the question of every record, for data without questions."""

    answer_kind: Text | None = None
    """How answers are compared, for records that do not say so themselves; null for `data.answer_kind`, and for `vqa`
    with `source: vqa`.
    """

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
    """How many questions are drawn at random: a whole number, or a share of the source if it is below 1; null for all
    (digits need a number).
    """

    @property
    def read_files(self) -> list[str]:
        """The files whose content decides what is prepared; errors as for `table_files`."""
        files = [self.images] if self.images and is_archive(self.images) else []
        files += [self.annotations] if self.annotations else []
        if not self.file:
            return files
        if self.source == "gqa":
            return [*map(str, chunk_files(Path(self.file)) or [Path(self.file)]), *files]
        if self.source != "table" or not Path(self.file).is_dir():
            return [self.file, *files]
        found = table_files(Path(self.file))
        return [*map(str, found.rows), *map(str, found.others), *files]

    def in_words(self) -> str:
        """The source and what a split takes of it."""
        taken = [self.member] if self.member else []
        taken += [f"part {list(self.part)}"] if self.part else []
        taken += [f"size {self.size:g}"] if self.size else []
        place = self.file or self.hub
        named = f"{place}, source {self.source}" if place else str(self.source)
        return ", ".join([named, *taken])

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
        ("part", "size", "member", "answer_kind"),
        {"file": "`source: gqa_cot` reads it", "images": "`source: gqa_cot` reads it"},
    ),
    "gqa": Reads(
        ("file", "images"),
        ("part", "size", "member", "balanced_only", "answer_kind"),
        {"file": "name GQA's question file, or the folder of its chunks", "images": "name the folder of GQA's images"},
    ),
    "vqa": Reads(
        ("file", "annotations", "images"),
        ("part", "size", "member", "answer_kind"),
        {
            "file": "name the file of questions",
            "annotations": "the answers stand in a file of their own, v2_mscoco_val2014_annotations.json or alike",
            "images": "name the folder of COCO's images",
        },
    ),
    "choices": Reads(
        ("file", "images"),
        ("part", "size", "member", "subset"),
        {
            "file": "name A-OKVQA's file or ScienceQA's problems.json",
            "images": "name the folder of COCO's images, or that of ScienceQA's train, val and test",
        },
    ),
    "conversations": Reads(
        ("file",), ("part", "size", "member", "images", "answer_kind"), {"file": "name the file of conversations"}
    ),
    "table": Reads(
        (),
        (
            "file",
            "member",
            "images",
            "columns",
            "question",
            "answer_kind",
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
PATH_FIELDS = ("file", "annotations", "images")  # which must exist
KINDS_OF_SOURCES = {"vqa": "vqa"}  # data sets that have a metric of their own
SPLITS_OF_HUB = {"val": "validation"}  # the name that most data sets use
CONVERSION = "conversion"  # how messages call the function under `convert`
GQA_SOURCES = ("gqa_cot", "gqa")  # which keep GQA's ids of questions


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

    images: Literal[1, 2] = 1
    """How many scenes a question shows. With 2, it compares the digits at one place of both: neither scene alone tells
    the answer.
    """

    train_question_types: Annotated[tuple[QuestionType, ...], Field(strict=False, min_length=1)] | None = None
    """Question types that train draws from evenly; a type that is named twice is drawn twice as often. null for all
    types.
    """

    shortcut_share: Share = 0.0
    """Share of the chains about two objects that skip the second object, as a hasty teacher's chains do."""


class DataSettings(Section):
    """Where questions and images come from."""

    source: SourceName | None = None
    """Where the questions come from, for splits that do not name a source themselves: `digits` generates scenes of
    handwritten digits; `table` reads data of nearly any form; `conversations` reads the forms of LLaVA, ShareGPT and
    OpenAI; `gqa`, `vqa` (also OK-VQA) and `choices` (A-OKVQA, ScienceQA) read these data sets as they are downloaded;
    `gqa_cot` reads the original system's JSONL.
    """

    splits: Splits

    answer_kind: Text | None = None
    """How answers are compared, in rewards and metrics alike, for sources and records that do not say so themselves:
    `yes_no`, `choice`, `letter`, `text`, `number relative=0.05`, `math`, `box iou=0.5`, `list`, `set` or `vqa`
    (docs/answer-kinds.md). null lets it follow from the true answer.
    """

    digits: Digits = Digits()

    max_rejected_share: Share = 0.02
    """A split with a larger share of bad records is refused."""

    max_near_duplicate_share: Share = 0.05
    """Splits are refused if a larger share of one's images is nearly the same as images of another (another size or
    compression, or neighbouring frames of a film). Fewer are listed in the log and in `data/summary.json`.
    """

    def sources(self, split: str) -> tuple[Source, ...]:
        """The sources of a split, each with its name and the kind of its answers."""
        return tuple(map(self._complete, self.splits[split]))

    def _complete(self, source: Source) -> Source:
        name = source.source or self.source
        takes_kind = name in READS and "answer_kind" in READS[name].optional
        default = KINDS_OF_SOURCES.get(str(name), self.answer_kind) if takes_kind else None
        return source.model_copy(update={"source": name, "answer_kind": source.answer_kind or default})


class PreparedSplit(Section):
    """The keys that `prepare_data` reads for one split; those of the other splits are not among them."""

    seed: Seed
    image: PixelBudget
    digits: Digits | None
    max_rejected_share: float
    sources: Annotated[tuple[Source, ...], Field(strict=False)]
