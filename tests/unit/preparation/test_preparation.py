"""Preparation loses nothing silently, publishes all or nothing, and writes the same bytes again."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prepared_files import contents

from reinforced_cot.data.examples import read_examples
from reinforced_cot.data.images import content_id
from reinforced_cot.data.records import Place, RawRecord, Rejection
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import DataError
from reinforced_cot.integrity import check_split
from reinforced_cot.preparation.prepare import prepare

BUDGET = PixelBudget(min_pixels=784, max_pixels=50176)


def raw(number: int = 0, **changes: Any) -> RawRecord:
    image = Image.new("RGB", (56, 56), (number % 256, number // 256, 0))
    record = RawRecord(f"q{number}", Place("a.jsonl", number), (image,), f"Is it {number}?", ("yes",), "It is.")
    return replace(record, **changes)


def run(records: Sequence[RawRecord | Rejection], folder: Path, share: float = 1.0, threads: int = 1) -> dict[str, int]:
    return prepare(lambda: iter(records), BUDGET, folder, "train", share, threads)


def rejected(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "rejected.train.jsonl").read_text(encoding="utf-8").splitlines()]


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_records_become_examples_with_their_image(tmp_path: Path) -> None:
    records = [
        raw(1),
        raw(2, question=" Is it red\u200b or blue? ", answers=("Red",), chain=""),
        raw(3, question_type="color"),
    ]
    assert run(records, tmp_path) == {"accepted": 3, "rejected": 0, "images": 3}
    first, second, third = read_examples(tmp_path / "train.jsonl")
    assert (first.id, first.question_type, first.chain) == ("q1", "verify", "It is.")
    assert (second.question, second.answer, second.chain, second.question_type) == (
        "Is it red or blue?",
        "Red",
        "",
        "choose",
    )
    assert third.question_type == "color"
    for example in (first, second, third):
        assert example.images == (f"images/train/{example.group}.png",)
        assert (tmp_path / example.images[0]).is_file()
    assert rejected(tmp_path) == []  # always written


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"answers": ("",)}, "missing answer", "visible"),
        ({"answers": ("\u200b \n",)}, "missing answer", "visible"),
        ({"question": "  "}, "empty question", "visible"),
        ({"question": "Is the \ud83d sign red?"}, "not text", "the question holds half a character"),
        ({"answers": ("\ude00",)}, "not text", "the answer holds half a character"),
        ({"chain": "It is \ud83d."}, "not text", "the chain holds half a character"),
        ({"question": "Is <|image_pad|> red?"}, "special token", "question contains <|image_pad|>"),
        ({"question": "Is <|im_\u200bstart|> red?"}, "special token", "question contains <|im_start|>"),
        ({"answers": ("yes</answer>",)}, "special token", "answer contains </answer>"),
        ({"chain": "<think>It is."}, "special token", "chain contains <think>"),
        ({"images": (Path("nowhere/x.jpg"),)}, "missing image", "nowhere/x.jpg"),
    ],
)
def test_bad_records_are_set_aside_with_their_reason(
    tmp_path: Path, changes: dict[str, Any], reason: str, detail: str
) -> None:
    assert run([raw(1), raw(2, **changes), raw(3)], tmp_path)["rejected"] == 1
    (row,) = rejected(tmp_path)
    assert (row["id"], row["source"], row["reason"]) == ("q2", "a.jsonl, line 2", reason)
    assert detail in row["detail"]
    assert [example.id for example in read_examples(tmp_path / "train.jsonl")] == ["q1", "q3"]


def test_a_bad_image_costs_each_of_its_questions(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"<html>")
    run([raw(0), *(raw(number, images=(tmp_path / "x.jpg",)) for number in (1, 2))], tmp_path / "out")
    assert [(row["id"], row["reason"]) for row in rejected(tmp_path / "out")] == [
        ("q1", "not an image"),
        ("q2", "not an image"),
    ]


def test_rejections_of_the_reader_are_kept(tmp_path: Path) -> None:
    run([raw(1), Rejection("q2", Place("a.jsonl", 2), "not text", "answer is int")], tmp_path)
    told = {"reason": "not text", "detail": "answer is int"}
    assert rejected(tmp_path) == [{"id": "q2", "source": "a.jsonl, line 2", **told}]


def test_an_image_is_stored_once_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (56, 56), "red").save(tmp_path / name)
    records = [raw(number, images=(tmp_path / name,)) for number, name in enumerate(("a.png", "b.png", "a.png"))]
    assert run(records, tmp_path / "out")["images"] == 1
    assert len(list((tmp_path / "out/images/train").iterdir())) == 1


def plain(color: Any, size: tuple[int, int] = (56, 56)) -> Image.Image:
    return Image.new("RGB", size, color)


def test_several_images_keep_their_order_and_are_stored_once(tmp_path: Path) -> None:
    red, blue, green = (plain(color) for color in ("red", "blue", "green"))
    records = [raw(1, images=(red, blue)), raw(2, images=(green, red, green)), raw(3, images=(blue,))]
    assert run(records, tmp_path) == {"accepted": 3, "rejected": 0, "images": 3}
    names = {color: f"images/train/{content_id(plain(color))}.png" for color in ("red", "blue", "green")}
    assert [example.images for example in read_examples(tmp_path / "train.jsonl")] == [
        (names["red"], names["blue"]),
        (names["green"], names["red"], names["green"]),
        (names["blue"],),
    ]
    assert {str(path.relative_to(tmp_path)) for path in (tmp_path / "images").rglob("*.png")} == {*names.values()}
    listed = json.loads((tmp_path / "train.json").read_text())["files"]
    assert listed.keys() == {"train.jsonl", *names.values()}
    check_split(tmp_path, "train")


def test_questions_whose_images_are_connected_are_one_group(tmp_path: Path) -> None:
    """Also through a question between them, wherever it stands in the file."""
    shown = [("red", "blue"), ("black",), ("green", "white"), ("blue", "green"), ("white",), ("black",)]
    records = [raw(n, images=tuple(map(plain, colors))) for n, colors in enumerate(shown)]
    run(records, tmp_path)
    groups = [example.group for example in read_examples(tmp_path / "train.jsonl")]
    first = min(content_id(plain(color)) for color in ("red", "blue", "green", "white"))
    assert groups == [first, content_id(plain("black")), first, first, first, content_id(plain("black"))]
    assert not any("group" in row for row in rows(tmp_path, "train"))


def test_equal_pixels_in_files_of_two_formats_are_one_image(tmp_path: Path) -> None:
    """They connect questions, and count once."""
    Image.effect_noise((56, 56), 90).convert("RGB").save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        same = image.convert("RGB")
    shown = [(tmp_path / "a.jpg", plain((0, 0, n))) for n in range(8)] + [(same, plain((0, 9, n))) for n in range(8)]
    assert run([raw(n, images=images) for n, images in enumerate(shown)], tmp_path / "out")["images"] == 17
    assert len({example.group for example in read_examples(tmp_path / "out/train.jsonl")}) == 1


def test_one_bad_image_of_several_costs_the_question(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    plain("red").save(good)
    bad.write_bytes(b"")
    assert run([raw(1), raw(2, images=(plain("blue"), good, bad)), raw(3, images=(good,))], tmp_path / "out") == {
        "accepted": 2,
        "rejected": 1,
        "images": 2,
    }
    assert [(row["id"], row["reason"]) for row in rejected(tmp_path / "out")] == [("q2", "empty image file")]
    shown = {name for example in read_examples(tmp_path / "out/train.jsonl") for name in example.images}
    assert {f"images/train/{path.name}" for path in (tmp_path / "out/images/train").iterdir()} == shown


def test_images_as_bytes_and_in_files_are_the_same(tmp_path: Path) -> None:
    plain("red").save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    assert run([raw(1, images=(tmp_path / "a.png", content, plain("red")))], tmp_path / "out")["images"] == 1
    (example,) = read_examples(tmp_path / "out/train.jsonl")
    assert len({*example.images}) == 1 and len(example.images) == 3
    assert (tmp_path / "out" / example.images[0]).read_bytes() == content  # the first is kept as it is


def test_the_place_of_each_record_is_written(tmp_path: Path) -> None:
    records = [raw(1), raw(2, place=Place("b.parquet", 7, "row")), raw(3, answers=()), raw(4, place=Place("scene 4"))]
    run(records, tmp_path)
    assert rows(tmp_path, "sources.train") == [
        {"id": "q1", "file": "a.jsonl", "line": 1},
        {"id": "q2", "file": "b.parquet", "row": 7},
        {"id": "q4", "file": "scene 4"},
    ]
    assert [row["source"] for row in rejected(tmp_path)] == ["a.jsonl, line 3"]


def test_threads_change_no_byte(tmp_path: Path) -> None:
    """Of files with equal pixels the first is kept, whichever is decoded first; a bad one costs the same questions."""
    noise = Image.effect_noise((300, 200), 90).convert("RGB")
    noise.save(tmp_path / "large.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    for number in range(5):
        plain((number, 0, 0)).save(tmp_path / f"{number}.png", compress_level=number)
    paths = [tmp_path / name for name in ("large.png", "0.png", "bad.png", "1.png", "2.png", "3.png", "4.png")]
    records = [
        raw(n, images=(paths[n * 3 % 7], plain((n % 5, 0, 0)), paths[n * 5 % 7].read_bytes())) for n in range(100)
    ]
    found = [run(records, tmp_path / f"with {threads}", threads=threads) for threads in (1, 2, 5)]
    assert found[0] == found[1] == found[2] and 0 < found[0]["rejected"] < 100
    one, two, five = (contents(tmp_path / f"with {threads}") for threads in (1, 2, 5))
    assert one == two == five and len(one) > 8


def test_all_that_a_record_says_comes_back(tmp_path: Path) -> None:
    given = raw(
        1,
        answers=("cat", " Kitten", "Kitten"),
        choices=("cat", "dog"),
        answer_kind="text",
        semantic_type="obj",
        extra={"depth": [1, None], "name": {"de": "Käse"}},
        chain_answer="dog",
    )
    run([given, raw(2)], tmp_path)
    full, bare = read_examples(tmp_path / "train.jsonl")
    assert (full.answers, full.answer, full.taught_answer) == (("Kitten", "Kitten", "cat"), "Kitten", "dog")
    assert (full.choices, full.answer_kind, full.semantic_type) == (("cat", "dog"), "text", "obj")
    assert full.extra == {"depth": [1, None], "name": {"de": "Käse"}}
    assert (bare.choices, bare.answer_kind, bare.extra, bare.taught_answer) == ((), "", {}, "yes")
    assert rows(tmp_path, "train")[1].keys() == {"id", "images", "question", "answers", "question_type", "chain"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": "g"}, "missing or unknown keys ['group']"),
        ({"image": "a.png"}, "missing or unknown keys ['image']"),
        ({"images": []}, "images must be a list of texts"),
        ({"images": "a.png"}, "images must be a list of texts"),
        ({"answers": ["yes", 1]}, "answers must be a list of texts"),
        ({"extra": []}, "extra must be a mapping"),
        ({"chain": None}, "chain must be a string"),
    ],
)
def test_records_of_another_form_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    run([raw(1), raw(2)], tmp_path)
    first, second = rows(tmp_path, "train")
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(first)}\n{json.dumps({**second, **change})}\n")
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_examples(tmp_path / "train.jsonl")
    assert str(caught.value).startswith(f"{tmp_path / 'train.jsonl'}, line 2: ")


@pytest.mark.parametrize("again", [raw(1), Rejection("q1", Place("a.jsonl", 9), "not text", "")])
def test_duplicate_id_is_refused(tmp_path: Path, again: RawRecord | Rejection) -> None:
    with pytest.raises(DataError, match=r"'q1' occurs twice, first in a\.jsonl, line 1"):
        run([raw(1), again], tmp_path)
    assert contents(tmp_path) == {}


def test_too_many_rejections_are_refused_with_reasons(tmp_path: Path) -> None:
    records = [raw(0), *(raw(number, answers=("",)) for number in range(1, 8)), raw(8, question="")]
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
    records = [raw(number, **({"answers": ("",)} if number == 0 else {})) for number in range(50)]
    assert run(records, tmp_path, share=0.02)["rejected"] == 1


@pytest.mark.parametrize(("records", "message"), [([], "no question"), ([raw(1, answers=("",))], "1 of 1 questions")])
def test_empty_split_is_refused(tmp_path: Path, records: list[RawRecord], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(records, tmp_path, share=1.0)


def test_a_failed_run_leaves_the_previous_split(tmp_path: Path) -> None:
    run([raw(1)], tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DataError):
        run([raw(2), raw(2)], tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("answer", ["the", "An.", "?!", "...", "x " * 300])
def test_an_answer_that_no_completion_can_match_is_set_aside(tmp_path: Path, answer: str) -> None:
    assert run([raw(1), raw(2, answers=(answer,)), raw(3, answers=("A",))], tmp_path)["rejected"] == 1
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
