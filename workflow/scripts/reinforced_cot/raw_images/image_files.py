"""The file of an image that a record names: exactly the name in the data, however it looks on the screen."""

import difflib
import os
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.text_cleaning import canonical, is_text
from reinforced_cot.raw_images.image_suffixes import IMAGE_SUFFIXES

_SHOWN = 3  # of the names that a message lists
_SEARCHED = 300  # files: the search takes some 10 microseconds per file
_SEPARATORS = "/\\\n"


def find_named_image(folder: Path, name: str) -> Path:
    """The image that a record names by its file, with or without suffix, in ``folder`` or in a folder below it.

    Raises:
        ImageRejected: as `find_image`; or the name leads out of the folder.
    """
    if not is_text(name):
        raise ImageRejected("not text", "the image's name holds half a character (a lone surrogate)")
    parts = PurePosixPath(name).parts
    if "\\" in name or not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        raise ImageRejected("image name is a path", f"{name!r} must be a file within {folder}, with / between folders")
    has_suffix = parts[-1].lower().endswith(IMAGE_SUFFIXES)
    return find_image(folder.joinpath(*parts[:-1]), parts[-1], [""] if has_suffix else IMAGE_SUFFIXES)


def find_image(folder: Path, name: str, suffixes: Sequence[str]) -> Path:
    """The file ``{folder}/{name}{suffix}`` with the first suffix that there is.

    A name is taken as it stands in the data. Only where it has no file, the one file whose name looks the same is
    taken: with composed or decomposed accents, other blanks or invisible characters.

    Raises:
        ImageRejected: there is no such file, or several look like it; or the name is a path, which could lead out of
            the folder. The message lists what was looked for, and what is there.
    """
    if not is_text(name):
        raise ImageRejected("not text", "the image's name holds half a character (a lone surrogate)")
    if any(character in name for character in _SEPARATORS) or name == "..":
        raise ImageRejected("image name is a path", f"{name!r} must be a file name within {folder}")
    wanted = [f"{name}{suffix}" for suffix in suffixes]
    for file in wanted:
        if is_file(folder / file):
            return folder / file
    by_look = _names_by_look(folder)
    for suffix in suffixes:
        alike = by_look.get(canonical(name) + suffix, ())
        if len(alike) > 1:
            raise ImageRejected("ambiguous image", f"{name!r} may be any of {', '.join(map(repr, alike))} in {folder}")
        if alike:
            return folder / alike[0]
    raise ImageRejected("missing image", f"looked for {', '.join(wanted)} in {folder}; {_instead(folder, name)}")


def is_file(path: Path) -> bool:
    """Whether there is such a file; also of a name that no file can have."""
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


@lru_cache(maxsize=4)
def _names_by_look(folder: Path) -> dict[str, list[str]]:
    """The names of a folder's files by how they look; read once, when the first image is not found."""
    names: dict[str, list[str]] = defaultdict(list)
    try:
        with os.scandir(folder) as entries:
            found = sorted(entry.name for entry in entries)
    except (OSError, ValueError):  # it does not exist, or no folder can have its name
        return names
    for name in found:
        names[canonical(name)].append(name)
    return names


@lru_cache(maxsize=4)
def _looks_by_stem(folder: Path) -> dict[str, list[str]]:
    """How a folder's files look, by what is left of that without suffix and case."""
    looks: dict[str, list[str]] = defaultdict(list)
    for look in _names_by_look(folder):
        looks[Path(look).stem.casefold()].append(look)
    return looks


def _instead(folder: Path, name: str) -> str:
    """What a folder holds in place of an image: the same name with another suffix or case, else similar names.

    Similar names are only searched for in a small folder: with a wrong one, each of a million images may be missing.
    """
    by_look = _names_by_look(folder)
    stem = canonical(name).casefold()
    stem = Path(stem).stem if stem.endswith(IMAGE_SUFFIXES) else stem
    near = _looks_by_stem(folder).get(stem, [])
    if not near and len(by_look) <= _SEARCHED:
        near = difflib.get_close_matches(canonical(name), by_look, _SHOWN, cutoff=0.7)
    if near:
        return f"there is {', '.join(sorted(near)[:_SHOWN])}"
    if not by_look:
        return "it is empty" if os.path.isdir(folder) else "there is no such folder"
    first = f"; the first are {', '.join(islice(by_look, _SHOWN))}" if len(by_look) > _SEARCHED else ""
    return f"none of its {len(by_look)} files has such a name{first}"
