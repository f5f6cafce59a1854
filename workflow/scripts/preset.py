"""Write a preset for your own data, after a look at it.

    make preset DATA=cars/train.csv NAME=cars
    make preset DATA=cars/train.csv NAME=cars IMAGES=cars/photos TEST=cars/test.csv MODEL=Qwen/Qwen2.5-VL-3B-Instruct

It reads the first records, prints some of them as they would be prepared, the kinds of answers, and what would be set
aside and why. Then it writes config/presets/NAME.yaml and prints the next command.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.config.new_preset import FEW, Wanted, command, cuts_of, preset_for, preset_text
from reinforced_cot.config.table_checks import table_problems
from reinforced_cot.data.images import ImageRejected, encoded
from reinforced_cot.data.records import ImageSource, Place, RawRecord, Records
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.files import write_text
from reinforced_cot.inert_text import visible, visible_errors
from reinforced_cot.interpreter import run_script
from reinforced_cot.paths import PRESETS
from reinforced_cot.preparation.look import Look, as_text, look_at
from reinforced_cot.sources.detection import source_of, unread_texts
from reinforced_cot.sources.parts import images_in_order
from reinforced_cot.sources.registry import whole_sources, with_folders
from reinforced_cot.sources.settings import OWN_FUNCTION, DataSettings, PreparedSplit, Source
from reinforced_cot.stage_script import start
from reinforced_cot.tables.archives import UNPACKED
from reinforced_cot.tables.column_settings import Columns

_ALLOWED = DataSettings.model_fields["max_rejected_share"].default
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def main(argv: Sequence[str] | None = None) -> None:
    """Look, write, and say what comes next."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a file or folder of questions, or an archive of it")
    parser.add_argument("--name", required=True, help="of the preset and of its results folder")
    parser.add_argument("--images", type=Path, help="the folder of images, if it is not that of the data")
    parser.add_argument("--test", type=Path, help="the same for the test split; without it, a tenth of the images")
    parser.add_argument("--test-images", type=Path, help="the folder of the test split's images, if it is another one")
    parser.add_argument("--annotations", type=Path, help="VQAv2's file of answers")
    parser.add_argument("--convert", help="module:function, from a row to a record")
    parser.add_argument("--columns", help="which column holds what: chain=why,answer=label")
    parser.add_argument("--question", help="that of every record, for data without questions")
    parser.add_argument("--model", help="a hub id or the folder of a checkpoint; without it, the demo's tiny model")
    arguments = parser.parse_args(argv)
    start()
    file = PRESETS / f"{arguments.name}.yaml"
    if not _NAME.fullmatch(arguments.name):
        raise ConfigError(f"NAME is {arguments.name!r}; letters, digits, `-`, `_` and `.` make the name of a file")
    if file.exists():
        raise ConfigError(f"{file} exists: choose another NAME, or delete it")
    if str(arguments.data) in ("", "."):
        raise ConfigError("give the questions as DATA=..., a file or a folder, and the preset's name as NAME=...")
    if arguments.convert and not re.fullmatch(OWN_FUNCTION, arguments.convert):
        raise ConfigError(f"CONVERT is {arguments.convert}; write module:function, as my_data:record for my_data.py")
    if arguments.test and arguments.test.resolve() == arguments.data.resolve():
        raise ConfigError(f"TEST is {arguments.test}, as DATA is; leave it out: a tenth of the images is kept for test")
    columns = _columns(arguments.columns)
    files = {arguments.data: arguments.images}
    if arguments.test:
        files[arguments.test] = arguments.test_images or arguments.images
    prepared = Path("results") / arguments.name / "data"  # of the run, which then finds archives unpacked
    data, *test = (
        source_of(
            path,
            prepared / UNPACKED,
            images,
            arguments.annotations,
            arguments.convert,
            columns,
            arguments.question,
        )
        for path, images in files.items()
    )
    for source in (data, *test):
        if source.source == "table" and (problems := list(table_problems("the preset", source))):
            raise ConfigError("; ".join(problems))
    look, *tests = [_shown(source, prepared) for source in (data, *test)]
    if shared := look.images.intersection(*(one.images for one in tests)) if tests else set():
        raise DataError(
            f"{arguments.test} names {len(shared)} images that {arguments.data} names, too, such as {min(shared)}; no "
            "image may be in two splits: give the folder of the test's images as TEST_IMAGES, or leave TEST out"
        )
    many_tests = any(not look.is_whole for look in tests)
    wanted = Wanted(arguments.name, data, test[0] if test else None, arguments.model, many_tests)
    if look.is_whole or len(look.images) <= FEW:  # of few images, a part by hash may be empty
        places = images_in_order(_records(data, prepared), _Readable() if len(look.images) <= FEW else lambda _: True)
        wanted = wanted._replace(cuts=cuts_of(places, has_test=bool(test)))
    write_text(file, preset_text(wanted, look))
    print(f"{file} is written. Read it, then\n\n    {command(wanted)} -n     # preview\n    {command(wanted)}")
    if wanted.model and preset_for(wanted.model) is None and not Path(wanted.model).is_dir():
        print("\nThe preview is refused until you write the model's commit as base_model.revision.", file=sys.stderr)
    if not look.chains and data.source == "table" and not data.convert:
        for name in unread_texts(with_folders(data, prepared / UNPACKED)):
            print(
                visible(f"\nColumn {name} holds texts; if they are chains of thought, add COLUMNS=chain={name}"),
                file=sys.stderr,
            )
    if not look.chains and arguments.model is None:
        print(
            "\nThe data has no chains of thought, and a tiny model with random weights earns no reward: RL from it "
            "learns nothing. Give MODEL=..., or add chains (`convert`, docs/own-data.md).",
            file=sys.stderr,
        )


class _Readable:
    """Whether all images of a record can be prepared; each file is opened once."""

    def __init__(self) -> None:
        self._known: dict[Path, bool] = {}

    def __call__(self, record: RawRecord) -> bool:
        return all(self._is_readable(image, record.place) for image in record.images)

    def _is_readable(self, image: ImageSource, place: Place) -> bool:
        if isinstance(image, Path) and image in self._known:
            return self._known[image]
        try:
            encoded(image, f"an image of {place}", PixelBudget())
        except ImageRejected:
            found = False
        else:
            found = True
        if isinstance(image, Path):
            self._known[image] = found
        return found


def _columns(text: str | None) -> dict[str, str]:
    """The columns by the names of a record.

    Raises:
        ConfigError: it is no list of name=column, or a record has no such name.
    """
    columns: dict[str, str] = {}
    for part in filter(str.strip, text.split(",") if text else ()):
        name, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or name == "extra" or name not in Columns.model_fields:
            known = ", ".join(one for one in Columns.model_fields if one != "extra")
            raise ConfigError(f"COLUMNS has {part.strip()!r}; write name=column, with a name of {known}")
        columns[name] = column
    return columns


def _shown(source: Source, prepared: Path) -> Look:
    """A look at a source, which is printed.

    Raises:
        DataError: none of its first records can be used.
    """
    look = look_at(_records(source, prepared), PixelBudget())
    print(visible(as_text(source.in_words(), look, _ALLOWED)), end="\n\n")
    if not look.kept:
        raise DataError(f"{source.file}: none of its first {look.read} records can be used; see above")
    return look


def _records(source: Source, prepared: Path) -> Records:
    settings = PreparedSplit(seed=1, image=PixelBudget(), digits=None, max_rejected_share=1.0, sources=(source,))
    (records,) = whole_sources(settings, "train", prepared)
    return records


if __name__ == "__main__":
    run_script(visible_errors(main))
