"""Each data set read as it is downloaded is reached by its name in the configuration, with the keys that it needs."""

from pathlib import Path
from typing import Any

import pytest
from source_files import BUDGET, draw_images, only, write

from reinforced_cot.data.records import Records
from reinforced_cot.errors import ConfigError
from reinforced_cot.sources.registry import read_split
from reinforced_cot.sources.settings import READS, PreparedSplit, Source

FILES: dict[str, dict[str, Any]] = {
    "gqa": {"file": {"7": {"question": "Is it red?", "imageId": "7", "answer": "yes"}}},
    "vqa": {
        "file": {"questions": [{"question_id": 7, "question": "Is it red?", "image_id": 7}]},
        "annotations": {"annotations": [{"question_id": 7, "answer_type": "yes/no", "answers": [{"answer": "yes"}]}]},
    },
    "choices": {
        "file": [
            {
                "question_id": "7",
                "question": "Is it red?",
                "image_id": 7,
                "choices": ["no", "yes"],
                "correct_choice_idx": 1,
            }
        ]
    },
    "conversations": {
        "file": [
            {"image": "7", "conversations": [{"from": "user", "value": "Is it red?"}, {"from": "gpt", "value": "yes"}]}
        ]
    },
}


def settings_of(folder: Path, name: str, without: str = "") -> PreparedSplit:
    keys = {key: str(write(folder / f"{key}.json", value)) for key, value in FILES[name].items()}
    keys["images"] = str(draw_images(folder / "images", "7.jpg"))
    source = Source(source=name, **{key: value for key, value in keys.items() if key != without})  # type: ignore[arg-type]
    return PreparedSplit(seed=1, image=BUDGET, digits=None, max_rejected_share=0, sources=(source,))


@pytest.mark.parametrize("name", FILES)
def test_a_source_is_read_by_its_name(tmp_path: Path, name: str) -> None:
    records: Records = read_split(settings_of(tmp_path, name), "train")
    assert only(records).answers == ("yes",) and only(records).images == (tmp_path / "images" / "7.jpg",)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in FILES for key in READS[name].required])
def test_a_source_without_a_key_that_it_needs(tmp_path: Path, name: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"source {name} needs {key}: "):
        read_split(settings_of(tmp_path, name, without=key), "train")
