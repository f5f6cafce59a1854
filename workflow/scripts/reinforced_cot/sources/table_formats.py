"""Which formats tables and archives have, by the suffixes of files. A dry-run reads it, and no library of a format."""

from pathlib import PurePath

TEXT_FORMATS = (".csv", ".tsv")  # every value is a text
JSON_FORMATS = (".jsonl", ".ndjson", ".json")
FORMATS = (*JSON_FORMATS, *TEXT_FORMATS, ".parquet", ".arrow", ".feather")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def is_archive(path: str) -> bool:
    """Whether a file is an archive."""
    return path.lower().endswith(ARCHIVES)


def suffix_problem(path: str) -> str | None:
    """Why a file cannot be a table; None if it can be one."""
    if PurePath(path).suffix.lower() in FORMATS:
        return None
    return f"{path} has no suffix of a table; expected {', '.join(FORMATS)}, or a folder or an archive of such files"
