"""Preparation and the data check as stages: their scripts, settings and files of both."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import check_data
import prepare_data
import pytest
import yaml
from PIL import Image
from prepared_files import contents

from reinforced_cot.digits.digit_records import make_digit_records
from reinforced_cot.digits.digit_scenes import SPLIT_BOUNDS, load_scans, scans_of_split
from reinforced_cot.errors import ConfigError, DataError


def settings_file(folder: Path, *sources: dict[str, Any], **changes: Any) -> Path:
    """The settings file of `prepare_data` for one split."""
    digits = {"shortcut_share": 0.5, "train_question_types": None}
    settings = {
        "seed": 1,
        "image": {"min_pixels": 784, "max_pixels": 50176},
        "digits": digits if any(source["source"] == "digits" for source in sources) else None,
        "max_rejected_share": 0.02,
        "sources": list(sources),
    }
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}), encoding="utf-8")
    return path


def prepare_by_script(folder: Path, split: str, *sources: dict[str, Any], threads: int = 1, **changes: Any) -> None:
    settings = settings_file(folder.parent, *sources, **changes)
    arguments = ["--settings", str(settings), "--split", split, "--output", str(folder), "--threads", str(threads)]
    prepare_data.main(arguments)


def run_stages(source: str, splits: dict[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    for split, split_settings in splits.items():
        prepare_by_script(folder, split, {"source": source, **split_settings})
    summary = folder / "summary.json"
    check_data.main(["--data", str(folder), "--splits", *splits, "--output", str(summary)])
    result: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))["splits"]
    return result


def test_gqas_files_are_compared_with_the_test_split(tmp_path: Path) -> None:
    """Before hours of training and answering, not after."""
    folder = tmp_path / "data"
    run_stages("digits", {"train": {"size": 2}, "test": {"size": 1}}, folder)
    (asked,) = (json.loads(line)["id"] for line in (folder / "test.jsonl").read_text().splitlines())
    types = {"structural": "query", "semantic": "obj", "detailed": "what"}
    questions, choices = tmp_path / "questions.json", tmp_path / "choices.json"
    questions.write_text(json.dumps({asked: {"answer": "1", "isBalanced": True, "types": types}}))
    command = ["--data", str(folder), "--splits", "train", "test", "--output", str(folder / "summary.json")]
    command += ["--gqa-questions", str(questions), "--gqa-choices", str(choices)]
    choices.write_text(json.dumps({"99": {"valid": ["1"], "plausible": ["1"]}}))
    with pytest.raises(DataError, match=rf"the choices lack 1 of 1 questions, the first is {asked!r}"):
        check_data.main(command)
    choices.write_text(json.dumps({asked: {"valid": ["1"], "plausible": ["1"]}}))
    check_data.main(command)


def test_digit_scenes_through_both_stages(tmp_path: Path) -> None:
    sizes = {"train": {"size": 30}, "val": {"size": 8}, "test": {"size": 12}}
    splits = run_stages("digits", sizes, tmp_path / "a")
    assert {name: split["questions"] for name, split in splits.items()} == {"train": 30, "val": 8, "test": 12}
    assert all(split["chains"] == split["questions"] for split in splits.values())
    run_stages("digits", sizes, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")  # the same settings give the same bytes


def test_scans_are_those_that_were_published() -> None:
    assert load_scans().shape == (1797, 8, 8) and load_scans().min() == 0 and load_scans().max() == 16
    counts = [sum(len(scans_of_split(split)[digit]) for split in SPLIT_BOUNDS) for digit in range(10)]
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # the table in the data set's description


def test_digit_scenes_of_a_larger_size_begin_with_the_smaller(tmp_path: Path) -> None:
    few, many = list(make_digit_records("val", 4, 1)), list(make_digit_records("val", 9, 1))
    assert [(one.id, one.question, one.answers) for one in few] == [
        (one.id, one.question, one.answers) for one in many[:4]
    ]


def test_real_photos_through_both_stages(tmp_path: Path, repo: Path) -> None:
    sample = repo.parent / "shared/data/gqa-cot-sample"
    if not sample.is_dir():
        pytest.skip(f"needs the sample {sample}")
    source = {"file": str(sample / "train_data.jsonl"), "images": str(sample / "images")}
    parts = {"train": [0.0, 0.7], "val": [0.7, 0.8], "test": [0.8, 1.0]}
    splits = run_stages("gqa_cot", {name: source | {"part": part} for name, part in parts.items()}, tmp_path / "data")
    assert sum(split["questions"] for split in splits.values()) == 498
    assert sum(split["images"] for split in splits.values()) == 60  # so no image is in two splits
    assert not any(split["rejected"] for split in splits.values())
    for path in (tmp_path / "data/images").rglob("*.*"):
        with Image.open(path) as image:
            assert image.mode == "RGB" and 784 <= image.width * image.height <= 50176


def test_size_draws_from_the_file(tmp_path: Path, repo: Path) -> None:
    sample = repo.parent / "shared/data/gqa-cot-sample"
    if not sample.is_dir():
        pytest.skip(f"needs the sample {sample}")
    source = {"file": str(sample / "train_data.jsonl"), "images": str(sample / "images"), "size": 20}
    splits = run_stages("gqa_cot", {"train": source}, tmp_path / "data")
    assert splits["train"]["questions"] == 20 and splits["train"]["images"] > 10


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"source": "digits"}, "data.splits.train.size is None; digits are generated"),
        ({"source": "digits", "size": 0.5}, r"data.splits.train.size is 0\.5; digits are generated"),
        ({"source": "gqa_cot", "file": "train.jsonl"}, "source gqa_cot needs"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare_by_script(tmp_path / "data", "train", source)


def test_a_split_of_another_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        prepare_by_script(tmp_path / "data", "tset", {"source": "digits", "size": 5})
    assert "invalid choice: 'tset' (choose from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "changes", "key"),
    [
        ({"size": 5}, {"data": {}}, "data"),  # the older form of the file, which held all splits
        ({"size": 5}, {"seed": "1"}, "seed"),
        ({"sise": 5}, {}, r"sources\.0\.sise"),
        ({"source": "coco"}, {}, r"sources\.0\.source"),
    ],
)
def test_settings_of_another_form_are_refused(
    tmp_path: Path, source: dict[str, Any], changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(DataError, match=rf"settings\.yaml: {key}: .*; `snakemake .*` writes the file anew"):
        prepare_by_script(tmp_path / "data", "train", {"source": "digits", **source}, **changes)


def test_script_fails_with_one_clear_line(tmp_path: Path, repo: Path) -> None:
    settings = settings_file(tmp_path, {"source": "gqa_cot", "file": "absent.jsonl", "images": str(tmp_path)})
    script = repo / "workflow/scripts/prepare_data.py"
    command = [sys.executable, str(script), "--settings", str(settings), "--split", "train", "--output", str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr == "error: absent.jsonl does not exist\n"


def test_checks_start_without_the_training_libraries(repo: Path) -> None:
    code = (
        "import sys; import check_data, prepare_data; "
        "print(sorted({'torch', 'transformers', 'trl', 'datasets', 'numpy', 'pandas'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=repo / "workflow/scripts")
    assert finished.stdout.strip() == "[]"


def test_a_chain_that_errs_keeps_its_own_answer_beside_the_truth() -> None:
    hasty = list(make_digit_records("train", 60, 1, shortcut_share=1.0))
    wrong = [record for record in hasty if record.chain_answer != record.answers[0]]
    assert 10 < len(wrong) < 40  # questions about two objects; now and then the shortcut is right by chance
    for record in wrong:
        assert record.chain.endswith(f": {record.chain_answer}")
        assert record.question_type in ("neighbor_color", "neighbor_value", "compare")
    assert all(record.chain_answer == record.answers[0] for record in make_digit_records("train", 60, 1))
