"""What can befall a file: cut, flipped, emptied, replaced by a folder, a lost line, a lost key, a NaN."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from jobs import remove


def emptied(path: Path, draw: Random) -> None:
    """What a full disk leaves."""
    path.write_bytes(b"")


def halved(path: Path, draw: Random) -> None:
    """A copy that was interrupted."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def cut(path: Path, draw: Random) -> None:
    """The last byte is lost, or the last two where the last one only ends the line."""
    content = path.read_bytes()
    path.write_bytes(content.rstrip(b"\n")[:-1])


def flipped(path: Path, draw: Random) -> None:
    """One bit of one byte, at a drawn position."""
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(7)
    path.write_bytes(bytes(content))


def missing(path: Path, draw: Random) -> None:
    """The file is gone."""
    remove(path)


def folder(path: Path, draw: Random) -> None:
    """A folder in place of the file."""
    path.unlink()
    path.mkdir()


def line_lost(path: Path, draw: Random) -> None:
    """One line of several is gone; the others are intact."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[draw.randrange(len(lines))]
    path.write_text("".join(lines), encoding="utf-8")


def line_cut(path: Path, draw: Random) -> None:
    """The second half of the last line is gone, as when a writer is killed."""
    content = path.read_bytes().rstrip(b"\n")
    start = content.rfind(b"\n") + 1
    path.write_bytes(content[: start + (len(content) - start) // 2])


def line_twice(path: Path, draw: Random) -> None:
    """The last line stands there twice."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1]]), encoding="utf-8")


def key_lost(path: Path, draw: Random) -> None:
    """One key at the top level of a JSON file is gone, the one with the most below it."""
    value = json.loads(path.read_text(encoding="utf-8"))
    del value[max(value, key=lambda key: len(json.dumps(value[key])))]
    path.write_text(json.dumps(value, indent=2, sort_keys=True), encoding="utf-8")


def not_a_number(path: Path, draw: Random) -> None:
    """A NaN in place of one of the numbers of a JSON file: Python's `json` reads and writes it."""
    value = json.loads(path.read_text(encoding="utf-8"))
    places = list(_numbers(value))
    holder, key = draw.choice(places)
    holder[key] = float("nan")
    path.write_text(json.dumps(value, indent=2, sort_keys=True), encoding="utf-8")


def another(path: Path, draw: Random) -> None:
    """Another file of the folder, intact, under this one's name."""
    others = sorted(other for other in path.parent.glob(f"*{path.suffix}") if other != path)
    path.write_bytes(draw.choice(others).read_bytes())


def copied(path: Path, draw: Random) -> None:
    """A folder is copied beside itself under another name, and the copy loses a file."""
    import shutil

    backup = shutil.copytree(path, path.with_name(f"{path.name}-backup"))
    remove(sorted(backup.iterdir())[-1])


def _numbers(value: Any) -> Any:
    """Every place in a JSON value that holds a number: its list or object, and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(inner, (int, float)) and not isinstance(inner, bool):
            yield value, key
        yield from _numbers(inner)


DAMAGES: dict[str, Callable[[Path, Random], None]] = {
    **{"emptied": emptied, "halved": halved, "cut": cut, "flipped": flipped, "missing": missing, "folder": folder},
    **{"line lost": line_lost, "line cut": line_cut, "line twice": line_twice, "key lost": key_lost},
    **{"NaN": not_a_number, "another": another, "copied": copied},
}
