"""The first steps of every stage script: quiet libraries, a log, settings from a file."""

import logging
import os
import sys
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from reinforced_cot.errors import DataError
from reinforced_cot.processes import is_rank, rank
from reinforced_cot.section import Section

Settings = TypeVar("Settings", bound=Section)


def start() -> None:
    """Log to stderr, which a rule sends to its log file, and let no library report home."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads that spin take cores from other jobs
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # otherwise it warns at every fork
    logging.basicConfig(
        level=logging.INFO if rank() == 0 else logging.WARNING,
        stream=sys.stderr,
        format=f"%(asctime)s {f'rank {rank()} ' if is_rank() else ''}%(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    for client in ("httpx", "httpx2"):  # a line for each file that is downloaded, and for each request
        logging.getLogger(client).setLevel(logging.WARNING)


def read_settings(path: Path, kind: type[Settings]) -> Settings:
    """Read the stage's part of the configuration, as its settings rule wrote it.

    Raises:
        DataError: the file is missing, cannot be read, is not YAML, or does not fit ``kind``.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; `snakemake {path}` writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): delete it; `snakemake {path}` writes it anew") from None
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not valid YAML: {error}") from None
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(f"{path}: {key}: {first['msg']}; `snakemake {path}` writes the file anew") from None
