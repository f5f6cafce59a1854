"""What one stage writes for another: damage is noticed, and the message names the file and the key."""

import shutil
import subprocess
from pathlib import Path

import pytest
import score

from reinforced_cot.data.examples import Example, write_examples
from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.completeness import read_whole
from reinforced_cot.files import write_json, write_jsonl
from reinforced_cot.result_files import check_result, checksum_file, read_result, write_result, write_result_rows

QUESTION = {"id": "q1", "instruction": "What color is it?", "gt_answer": "red"}
ANSWER = {**QUESTION, "prediction_raw": "<think> It is red. </think>"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": {"b": [1, NaN]}}', r"x\.json holds nan as a\.b\.1: delete \S*x\.json and give the same command with"),
        ('{"a": {"b": -Infinity}}', r"x\.json holds -inf as a\.b: delete"),
        ('{"a": {"b": [1, {}]}}', r"x\.json has no key a\.b\.1\.c: delete \S*x\.json and give the same command with"),
        ('{"a": {}}', r"x\.json has no key a\.b: delete"),
        ("{}", r"x\.json has no key a: delete"),
        ('{"a": {"b": [1, {"c"', r"x\.json is not valid JSON, perhaps cut off: .*: delete"),
        ("null", r"x\.json holds null alone: delete"),
    ],
)
def test_a_damaged_result_is_named_with_its_key(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_result(tmp_path / "x.json")["a"]["b"][1]["c"]


def test_a_result_is_a_plain_object_but_for_missing_keys(tmp_path: Path) -> None:
    content = {"a": [{"b": None}], "c": {"d": 1}}
    write_json(tmp_path / "x.json", content)
    found = read_result(tmp_path / "x.json")
    assert found == content and found["c"].get("e") is None and "e" not in found["c"]
    with pytest.raises(DataError, match=r"absent\.json does not exist$"):
        read_result(tmp_path / "absent.json")


def test_a_flipped_bit_in_a_valid_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "eval.json"
    write_result(path, {"accuracy": 0.5})
    assert read_result(path) == {"accuracy": 0.5}
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.7"))
    with pytest.raises(
        DataError, match=r"eval\.json is not what .*\.eval\.json\.sha256 recorded: if you copied .*: del"
    ):
        read_result(path)


def test_a_flipped_bit_in_an_answer_is_noticed(tmp_path: Path) -> None:
    path, asked = tmp_path / "answers.jsonl", tmp_path / "test.jsonl"
    write_examples(asked, [Example("q1", ("a.png",), "What color is it?", ("red",), "query")])
    write_result_rows(path, [ANSWER])
    assert read_whole(path, asked)[0]["prediction_raw"] == ANSWER["prediction_raw"]
    path.write_bytes(path.read_bytes().replace(b"is red", b"is rdd"))
    with pytest.raises(DataError, match=r"answers\.jsonl is not what "):
        read_whole(path, asked)


def test_scores_of_a_users_own_file_have_no_checksum(tmp_path: Path) -> None:
    """Another program may write the file again, and would not know of it."""
    write_jsonl(tmp_path / "mine.jsonl", [ANSWER])
    made = {option: str(tmp_path / name) for option, name in (("--out", "out.json"), ("--predictions", "rows.jsonl"))}
    score.main([str(tmp_path / "mine.jsonl"), *(word for pair in made.items() for word in pair)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.jsonl", "out.json", "rows.jsonl"]


def test_a_file_without_a_checksum_is_read_as_it_is(tmp_path: Path) -> None:
    """Predictions of another system, results of an older version, and a file that the user changed on purpose."""
    write_result(tmp_path / "eval.json", {"accuracy": 0.5})
    write_json(tmp_path / "eval.json", {"accuracy": 0.7})
    checksum_file(tmp_path / "eval.json").unlink()
    assert read_result(tmp_path / "eval.json") == {"accuracy": 0.7}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"0123"])
def test_a_damaged_checksum_is_named(tmp_path: Path, content: bytes) -> None:
    write_result(tmp_path / "eval.json", {})
    checksum_file(tmp_path / "eval.json").write_bytes(content)
    with pytest.raises(DataError, match=r"\.eval\.json\.sha256"):
        check_result(tmp_path / "eval.json")


def test_a_result_written_again_has_a_new_checksum(tmp_path: Path) -> None:
    for accuracy in (0.5, 0.6):
        write_result(tmp_path / "eval.json", {"accuracy": accuracy})
        check_result(tmp_path / "eval.json")


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")
def test_sha256sum_reads_the_checksum(tmp_path: Path) -> None:
    write_result(tmp_path / "eval.json", {"n": 1})
    assert subprocess.run(["sha256sum", "-c", ".eval.json.sha256"], cwd=tmp_path).returncode == 0
