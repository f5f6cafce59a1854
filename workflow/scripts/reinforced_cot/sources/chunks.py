"""The files of a data set that is published in several, such as ``train_all_questions/train_all_questions_0.json``."""

import re
from pathlib import Path


def chunk_files(file: Path) -> list[Path]:
    """The file itself, or of a folder its ``.json`` files; those with numbers in the order of these."""
    if not file.is_dir():
        return [file]
    return sorted(file.glob("*.json"), key=lambda path: _by_number(path.name))


def _by_number(name: str) -> list[tuple[int, str]]:
    """A key that sorts 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
