"""A settings file that is damaged is named, with the command that writes it anew."""

from pathlib import Path

import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.stage_script import read_settings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; `snakemake"),
        ("folder", r"cannot be read \(.*Is a directory.*\): delete it; `snakemake"),
        (b"seed: \xff", r"cannot be read \(.*\): delete it; `snakemake"),
        (b"seed: [1", "is not valid YAML: "),
        (b"", r": the file: Input should be .*; `snakemake"),
        (b"seed: 1\n", r": prompt: Field required; `snakemake"),
    ],
)
def test_a_damaged_settings_file_is_named(tmp_path: Path, content: bytes | str | None, message: str) -> None:
    path = tmp_path / "answer.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    with pytest.raises(DataError, match=rf"answer\.yaml.*{message}"):
        read_settings(path, AnswerSettings)
