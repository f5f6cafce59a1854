"""Preparation loses nothing silently, publishes all or nothing, and writes the same bytes again."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import check_data
import prepare_data
import pytest
import yaml
from PIL import Image

from reinforced_cot.data.examples import read_examples
from reinforced_cot.data.preparation import RawRecord, Rejection, draw, prepare
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.sources.digit_records import make_digit_records
from reinforced_cot.sources.digit_scenes import SPLIT_BOUNDS, load_scans, scans_of_split

BUDGET = PixelBudget(min_pixels=784, max_pixels=50176)


def raw(number: int = 0, **changes: Any) -> RawRecord:
    image = Image.new("RGB", (56, 56), (number % 256, number // 256, 0))
    record = RawRecord(f"q{number}", f"line {number}", image, f"Is it {number}?", "yes", "It is.")
    return replace(record, **changes)


def run(records: Iterable[RawRecord | Rejection], folder: Path, share: float = 1.0) -> dict[str, int]:
    return prepare(records, BUDGET, folder, "train", share)


def rejected(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "rejected.train.jsonl").read_text(encoding="utf-8").splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_records_become_examples_with_their_image(tmp_path: Path) -> None:
    records = [
        raw(1),
        raw(2, question=" Is it red\u200b or blue? ", answer="Red", cot=""),
        raw(3, question_type="color"),
    ]
    assert run(records, tmp_path) == {"accepted": 3, "rejected": 0, "images": 3}
    first, second, third = read_examples(tmp_path / "train.jsonl")
    assert (first.id, first.question_type, first.cot) == ("q1", "verify", "It is.")
    assert (second.question, second.answer, second.cot, second.question_type) == (
        "Is it red or blue?",
        "Red",
        "",
        "choose",
    )
    assert third.question_type == "color"
    for example in (first, second, third):
        assert example.image == f"images/train/{example.group}.png"
        assert (tmp_path / example.image).is_file()
    assert rejected(tmp_path) == []  # always written


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"answer": ""}, "missing answer", "visible"),
        ({"answer": "\u200b \n"}, "missing answer", "visible"),
        ({"question": "  "}, "empty question", "visible"),
        ({"question": "Is the \ud83d sign red?"}, "not text", "the question holds half a character"),
        ({"answer": "\ude00"}, "not text", "the answer holds half a character"),
        ({"cot": "It is \ud83d."}, "not text", "the chain holds half a character"),
        ({"question": "Is <|image_pad|> red?"}, "special token", "question contains <|image_pad|>"),
        ({"question": "Is <|im_\u200bstart|> red?"}, "special token", "question contains <|im_start|>"),
        ({"answer": "yes</answer>"}, "special token", "answer contains </answer>"),
        ({"cot": "<think>It is."}, "special token", "cot contains <think>"),
        ({"image": Path("nowhere/x.jpg")}, "missing image", "nowhere/x.jpg"),
    ],
)
def test_bad_records_are_set_aside_with_their_reason(
    tmp_path: Path, changes: dict[str, Any], reason: str, detail: str
) -> None:
    assert run([raw(1), raw(2, **changes), raw(3)], tmp_path)["rejected"] == 1
    (row,) = rejected(tmp_path)
    assert (row["id"], row["source"], row["reason"]) == ("q2", "line 2", reason)
    assert detail in row["detail"]
    assert [example.id for example in read_examples(tmp_path / "train.jsonl")] == ["q1", "q3"]


def test_a_bad_image_costs_each_of_its_questions(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"<html>")
    run([raw(0), *(raw(number, image=tmp_path / "x.jpg") for number in (1, 2))], tmp_path / "out")
    assert [(row["id"], row["reason"]) for row in rejected(tmp_path / "out")] == [
        ("q1", "not an image"),
        ("q2", "not an image"),
    ]


def test_rejections_of_the_reader_are_kept(tmp_path: Path) -> None:
    run([raw(1), Rejection("q2", "line 2", "not text", "answer is int")], tmp_path)
    assert rejected(tmp_path) == [{"id": "q2", "source": "line 2", "reason": "not text", "detail": "answer is int"}]


def test_an_image_is_stored_once_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (56, 56), "red").save(tmp_path / name)
    records = [raw(number, image=tmp_path / name) for number, name in enumerate(("a.png", "b.png", "a.png"))]
    assert run(records, tmp_path / "out")["images"] == 1
    assert len(list((tmp_path / "out/images/train").iterdir())) == 1


@pytest.mark.parametrize("again", [raw(1), Rejection("q1", "line 9", "not text", "")])
def test_duplicate_id_is_refused(tmp_path: Path, again: RawRecord | Rejection) -> None:
    with pytest.raises(DataError, match=r"'q1' occurs twice, first in line 1"):
        run([raw(1), again], tmp_path)
    assert contents(tmp_path) == {}


def test_too_many_rejections_are_refused_with_reasons(tmp_path: Path) -> None:
    records = [raw(0), *(raw(number, answer="") for number in range(1, 8)), raw(8, question="")]
    with pytest.raises(DataError) as caught:
        run(records, tmp_path, share=0.5)
    message = str(caught.value)
    assert "8 of 9 questions rejected" in message and "max_rejected_share (0.5)" in message
    assert "empty question 1, missing answer 7" in message
    assert str(tmp_path / "refused.train.jsonl") in message
    assert "line 1: missing answer" in message and "line 5: missing answer" in message and "line 6:" not in message
    assert len((tmp_path / "refused.train.jsonl").read_text().splitlines()) == 8
    assert set(contents(tmp_path)) == {"refused.train.jsonl"}
    run(records[:1], tmp_path)
    assert "refused.train.jsonl" not in contents(tmp_path)


def test_share_at_the_limit_is_accepted(tmp_path: Path) -> None:
    records = [raw(number, **({"answer": ""} if number == 0 else {})) for number in range(50)]
    assert run(records, tmp_path, share=0.02)["rejected"] == 1


@pytest.mark.parametrize(("records", "message"), [([], "no question"), ([raw(1, answer="")], "1 of 1 questions")])
def test_empty_split_is_refused(tmp_path: Path, records: list[RawRecord], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(records, tmp_path, share=1.0)


def test_a_failed_run_leaves_the_previous_split(tmp_path: Path) -> None:
    run([raw(1)], tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DataError):
        run([raw(2), raw(2)], tmp_path)
    assert contents(tmp_path) == before


def test_draw_is_nested_and_keeps_the_order() -> None:
    records = [raw(number) for number in range(50)]
    assert draw(iter(records), None, 1) == records
    chosen = {size: [record.id for record in draw(iter(records), size, 1)] for size in (5, 20, 50)}
    assert chosen[50] == [record.id for record in records]
    assert set(chosen[5]) < set(chosen[20])
    assert chosen[20] == sorted(chosen[20], key=lambda name: int(name[1:]))
    assert chosen[20] != chosen[50][:20]
    assert chosen[20] != [record.id for record in draw(records, 20, 2)]


def test_draw_of_more_than_there_are_is_refused() -> None:
    with pytest.raises(DataError, match="2 questions, fewer than its size 3"):
        draw([raw(1), raw(2)], 3, 1)


def settings_file(folder: Path, source: str, split: dict[str, Any], **changes: Any) -> Path:
    """The settings file of `prepare_data` for one split."""
    settings = {
        "seed": 1,
        "image": {"min_pixels": 784, "max_pixels": 50176},
        "source": source,
        "digits": {"shortcut_share": 0.5, "train_question_types": None} if source == "digits" else None,
        "max_rejected_share": 0.02,
        "split": split,
    }
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}), encoding="utf-8")
    return path


def run_stages(source: str, splits: dict[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    for split, split_settings in splits.items():
        settings = settings_file(folder.parent, source, split_settings)
        prepare_data.main(["--settings", str(settings), "--split", split, "--output", str(folder)])
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
    assert [(one.id, one.question, one.answer) for one in few] == [
        (one.id, one.question, one.answer) for one in many[:4]
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
    ("source", "split", "message"),
    [
        ("coco", {"size": 5}, "'coco' is unknown; expected one of digits, gqa_cot"),
        ("digits", {}, "data.splits.train.size is null"),
        ("gqa_cot", {"file": "train.jsonl"}, "data.splits.train needs file and images"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, source: str, split: dict[str, Any], message: str) -> None:
    settings = settings_file(tmp_path, source, split)
    with pytest.raises(ConfigError, match=message):
        prepare_data.main(["--settings", str(settings), "--split", "train", "--output", str(tmp_path)])


def test_a_split_of_another_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_file(tmp_path, "digits", {"size": 5})
    with pytest.raises(SystemExit):
        prepare_data.main(["--settings", str(settings), "--split", "tset", "--output", str(tmp_path)])
    assert "invalid choice: 'tset' (choose from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("split", "changes", "key"),
    [
        ({"size": 5}, {"data": {}}, "data"),  # the older form of the file, which held all splits
        ({"size": 5}, {"seed": "1"}, "seed"),
        ({"sise": 5}, {}, r"split\.sise"),
    ],
)
def test_settings_of_another_form_are_refused(
    tmp_path: Path, split: dict[str, Any], changes: dict[str, Any], key: str
) -> None:
    settings = settings_file(tmp_path, "digits", split, **changes)
    with pytest.raises(DataError, match=rf"settings\.yaml: {key}: .*; `snakemake .*` writes the file anew"):
        prepare_data.main(["--settings", str(settings), "--split", "train", "--output", str(tmp_path)])


def test_script_fails_with_one_clear_line(tmp_path: Path, repo: Path) -> None:
    settings = settings_file(tmp_path, "gqa_cot", {"file": "absent.jsonl", "images": str(tmp_path)})
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
    wrong = [record for record in hasty if record.cot_answer != record.answer]
    assert 10 < len(wrong) < 40  # questions about two objects; now and then the shortcut is right by chance
    for record in wrong:
        assert record.cot.endswith(f": {record.cot_answer}")
        assert record.question_type in ("neighbor_color", "neighbor_value", "compare")
    assert all(record.cot_answer == record.answer for record in make_digit_records("train", 60, 1))


@pytest.mark.parametrize("answer", ["the", "An.", "?!", "...", "x " * 300])
def test_an_answer_that_no_completion_can_match_is_set_aside(tmp_path: Path, answer: str) -> None:
    assert run([raw(1), raw(2, answer=answer), raw(3, answer="A")], tmp_path)["rejected"] == 1
    (rejection,) = rejected(tmp_path)
    assert (rejection["id"], rejection["reason"]) == ("q2", "unmatchable answer")
    assert rejection["detail"].startswith("the answer is empty, only articles and punctuation, or longer than 500")


@pytest.mark.parametrize(
    ("end", "warns"),
    [
        ("\nUse your eyes.", True),
        ("\nAnswer the question using a single word or phrase.", False),  # known to say only how to answer
        ("", False),
    ],
)
def test_a_sentence_that_ends_most_questions_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: str, warns: bool
) -> None:
    run([raw(n, question=f"Is it {n}?{end}") for n in range(4)], tmp_path)
    assert ("4 of 4 questions end with 'Use your eyes.'" in caplog.text) is warns
    assert all(example.question_type == "verify" for example in read_examples(tmp_path / "train.jsonl"))
    assert read_examples(tmp_path / "train.jsonl")[0].question == f"Is it 0?{end}"  # the prompt keeps it
