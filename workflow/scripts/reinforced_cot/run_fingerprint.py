"""What tells one run of a stage from another: a fingerprint of all that its result depends on."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reinforced_cot.code_hashes import code_hashes
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json, sha256_of, write_json

FINGERPRINT = "fingerprint.json"  # in the folder that a run writes to
_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "math-verify", "sympy", "pint")


def fingerprint(
    script: Path, settings: Mapping[str, Any], inputs: Iterable[Path], further: Mapping[str, Path] | None = None
) -> dict[str, Any]:
    """Everything that a run depends on: its settings, code, input files (by content) and libraries.

    Args:
        inputs: files with different names.
        further: input files under names of their own.
    """
    files = {**{path.name: path for path in inputs}, **(further or {})}
    return {
        "settings": settings,
        "code": code_hashes(script),
        "inputs": {name: sha256_of(path) for name, path in files.items()},
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def differences(before: Any, now: Any, key: str = "") -> Iterator[str]:
    """The keys in which two fingerprints differ, each with both values where they are short.

    >>> list(differences({"settings": {"seed": 1, "a": 2}}, {"settings": {"seed": 3, "a": 2}}))
    ['settings.seed 1 -> 3']
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted({*before, *now}):
            yield from differences(before.get(name), now.get(name), f"{key}.{name}" if key else str(name))
    elif before != now:
        short = all(len(str(value)) <= 40 for value in (before, now)) and not key.startswith(("code", "inputs"))
        yield f"{key} {before} -> {now}" if short else key


def claim_folder(folder: Path, expected: Mapping[str, Any]) -> None:
    """Keep ``folder`` if a run with this fingerprint left it; otherwise empty it and write the fingerprint into it."""
    file = folder / FINGERPRINT
    try:
        if read_json(file) == expected:
            return
    except DataError:  # there is none, or it is damaged
        pass
    shutil.rmtree(folder, ignore_errors=True)
    write_json(file, expected)
