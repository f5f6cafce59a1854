"""Conversations in the forms of LLaVA, ShareGPT and OpenAI become one record per reply, with a chain if it has one."""

import base64
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from places import SHARED
from source_files import HALF, draw_images, only, prepared, rejection, write

from reinforced_cot.config.data_checks import data_problems
from reinforced_cot.data.records import RawRecord, Records
from reinforced_cot.errors import DataError
from reinforced_cot.preparation.conversion import converted
from reinforced_cot.sources.conversations import conversation_records
from reinforced_cot.sources.gqa_cot import read_gqa_cot
from reinforced_cot.sources.settings import DataSettings
from reinforced_cot.sources.stated_answers import stated

Row = dict[str, Any]


def llava(*turns: str, **changes: Any) -> Row:
    """A row of LLaVA; a change to None removes the key."""
    values = turns or ("<image>\nWhat color is it?", "red")
    said = [{"from": ("human", "gpt")[number % 2], "value": value} for number, value in enumerate(values)]
    row = {"id": "000000033471", "image": "coco/train2017/a.png", "conversations": said, **changes}
    return {key: value for key, value in row.items() if value is not None}


def openai(content: Any, reply: Any = "red", **changes: Any) -> Row:
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": reply}], **changes}


def of(folder: Path, *rows: Any, lines: bool = False) -> Records:
    """The records of a file beside two images."""
    draw_images(folder, "coco/train2017/a.png", "b.png")
    if lines:
        return conversation_records(write(folder / "data.jsonl", "\n".join(map(json.dumps, rows))))
    return conversation_records(write(folder / "data.json", list(rows)))


def names(record: RawRecord, folder: Path) -> list[str]:
    return [str(image.relative_to(folder)) for image in record.images if isinstance(image, Path)]


def test_llava(tmp_path: Path) -> None:
    rows = [llava(), llava("Is <image> larger than <image>?", "no", image=["b.png", "coco/train2017/a.png"], id="2")]
    first, second = prepared(of(tmp_path, *rows), tmp_path / "data")
    assert (first.id, first.question, first.answers, first.chain) == (
        "000000033471-0",
        "What color is it?",
        ("red",),
        "",
    )
    assert (second.id, second.question, second.answer) == ("2-0", "Is <image> larger than <image>?", "no")
    assert second.images[1:] == first.images and len(second.images) == 2


@pytest.mark.parametrize("lines", [True, False])
def test_sharegpt(tmp_path: Path, lines: bool, caplog: pytest.LogCaptureFixture) -> None:
    said = [
        {"from": "system", "value": "You see images."},
        {"from": "user", "value": "<image>What is it?"},
        {"from": "assistant", "value": "<think>It has wheels.</think>\n<answer>car</answer>"},
    ]
    records = of(tmp_path, {"conversations": said, "images": ["b.png"]}, lines=lines)
    with caplog.at_level(logging.WARNING):
        (example,) = prepared(records, tmp_path / "data")
    assert (example.id, example.question) == (f"{'line' if lines else 'entry'}-1-0", "What is it?")
    assert (example.chain, example.answer) == ("It has wheels.", "car")
    assert [message.partition(" of ")[0] for message in caplog.messages] == ["1 system turns"]


def test_openai(tmp_path: Path) -> None:
    content = (tmp_path / "x.png", draw_images(tmp_path, "x.png"))[0].read_bytes()
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    parts = [
        {"type": "image_url", "image_url": {"url": "b.png"}},
        {"type": "text", "text": "Look."},
        {"type": "text", "text": "Is this the same as "},
        {"type": "image_url", "image_url": {"url": uri}},
        {"type": "text", "text": "?"},
    ]
    record = only(of(tmp_path, openai(parts, [{"type": "text", "text": "no"}])))
    assert record.images == (tmp_path / "b.png", content)
    assert (record.question, record.answers) == ("<image>Look.\nIs this the same as <image>?", ("no",))
    listed = openai([{"type": "image"}, {"type": "text", "text": "What?"}], images=["b.png"])
    assert names(only(of(tmp_path, listed)), tmp_path) == ["b.png"]
    of_qwen = openai([{"type": "image", "image": "b.png"}, {"type": "text", "text": "What?"}])
    assert names(only(of(tmp_path, of_qwen)), tmp_path) == ["b.png"]
    assert names(only(of(tmp_path, {**of_qwen, "images": ["b.png"]})), tmp_path) == ["b.png"]
    by_path = openai([{"type": "image", "path": "b.png"}, {"type": "text", "text": "What?"}])
    assert names(only(of(tmp_path, by_path)), tmp_path) == ["b.png"]
    assert len(prepared(of(tmp_path, openai(parts, "no"), listed), tmp_path / "data")) == 2


def test_each_reply_is_a_record_with_the_images_shown_until_then(tmp_path: Path) -> None:
    row = llava("Is <image> red?", "yes", "And how many wheels?", "four", "Is <image> alike?", "no", "Why?", "green")
    records = list(of(tmp_path, {**row, "image": ["b.png", "coco/train2017/a.png"]})())
    assert all(isinstance(record, RawRecord) for record in records)
    assert [
        (record.id[-2:], record.question, len(record.images), record.answers[0])
        for record in records
        if isinstance(record, RawRecord)
    ] == [
        ("-0", "Is <image> red?", 1, "yes"),
        ("-1", "<image>\nAnd how many wheels?", 1, "four"),
        ("-2", "<image>\nIs <image> alike?", 2, "no"),
        ("-3", "<image><image>\nWhy?", 2, "green"),
    ]
    questions = [
        example.question for example in prepared(of(tmp_path, llava("<image>A?", "b", "C?", "d")), tmp_path / "d")
    ]
    assert questions == ["A?", "C?"]  # places before the text are the default


def test_without_places_every_question_has_all_images(tmp_path: Path) -> None:
    records = of(tmp_path, llava("What?", "a", "And?", "b", image=["b.png", "coco/train2017/a.png"]))
    assert [len(record.images) for record in records() if isinstance(record, RawRecord)] == [2, 2]


def test_ids_are_counted_where_rows_share_one(tmp_path: Path) -> None:
    rows = [
        llava(),
        llava(),
        llava(id=12.0),
        llava(id=None),
        llava(id=HALF),
        llava(id="x" * 300),
        llava(image="no.png"),
    ]
    assert [record.id for record in of(tmp_path, *rows)()] == [
        *("000000033471-0", "000000033471-1", "12-0", "entry-4-0", "entry-5-0", "x" * 300 + "-0", "000000033471-2"),
    ]


@pytest.mark.parametrize(
    ("reply", "chain", "answer"),
    [
        ("red", "", "red"),
        (" It is a red car. ", "", "It is a red car."),
        ("<think>a b</think><answer>red</answer>", "a b", "red"),
        ("<think>\na b\n</think>\n\nred\n", "a b", "red"),
        ("<think></think>red", "", "red"),
        ("<think>a b</think> The answer is $\\boxed{4}$.", "a b", "4"),
        ("2 + 2 makes 4: \\boxed{4}", "2 + 2 makes 4:", "4"),
        ("So \\(\\boxed{\\frac{1}{2}}\\).", "So", "\\frac{1}{2}"),
        ("**\\boxed{4}**", "", "4"),
        ("\\boxed{3} and then \\boxed{4}.", "\\boxed{3} and then", "4"),
        ("\\boxed{4} is what comes out, isn't it", "", "\\boxed{4} is what comes out, isn't it"),
        ("\\boxed{4", "", "\\boxed{4"),
        ("a \\boxed{}", "", "a \\boxed{}"),
        ("<think>a", "", "<think>a"),
        ("<think>a</think><answer>b", "", "<think>a</think><answer>b"),
        ("", "", ""),
    ],
)
def test_the_chain_and_the_answer_of_a_reply(tmp_path: Path, reply: str, chain: str, answer: str) -> None:
    assert stated(reply) == (chain, answer)
    record = only(of(tmp_path, llava("<image>What?", reply)))
    assert (record.chain, record.answers) == (chain, (answer,) if answer else ())


def test_long_replies_are_read_in_linear_time() -> None:
    text = "\\boxed{" * 200_000 + " $*" * 200_000
    assert stated(text).answer == text.strip()
    assert stated("x" + " $\\(" * 200_000 + "\\boxed{4}" + " $.\\)" * 200_000) == ("x", "4")


SAID = [{"from": "human", "value": "<image>A?"}]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (3, "not an object"),
        (None, "not an object"),
        ({"id": "1"}, "missing turns"),
        (llava(conversations="A?"), "missing turns"),
        (llava(conversations=[]), "missing turns"),
        (llava(conversations=["A?"]), "malformed turn"),
        (llava(conversations=[{"from": "human"}]), "malformed turn"),
        (llava(conversations=[{"from": "human", "value": 3}]), "malformed turn"),
        (llava(conversations=[{"value": "A?"}]), "unknown role"),
        (llava(conversations=[{"from": ["human"], "value": "A?"}]), "unknown role"),
        (llava(conversations=[{"from": "tool", "value": "A?"}]), "unknown role"),
        (llava(conversations=SAID), "roles out of order"),
        (llava(conversations=SAID * 2), "roles out of order"),
        (llava(conversations=[{"from": "gpt", "value": "A"}, *SAID]), "roles out of order"),
        (llava(conversations=[{"from": "system", "value": "A"}]), "roles out of order"),
        (llava("<image>A?", "<image>b", image=["b.png", "b.png"]), "image in a reply"),
        (llava("<image><image>A?", "b"), "image places"),
        (llava("<image>A?", "b", image=["b.png", "b.png"]), "image places"),
        (llava("<image>A?", "b", image=None), "image places"),
        (llava("<video>A?", "b"), "video"),
        (llava(video="a.mp4"), "video"),
        (llava(videos=["a.mp4"]), "video"),
        (openai([{"type": "video_url", "video_url": {"url": "a.mp4"}}]), "video"),
        (openai([{"type": "input_audio"}]), "malformed turn"),
        (openai([{"type": ["text"]}]), "malformed turn"),
        (openai([{"type": "text", "text": None}]), "malformed turn"),
        (openai([{"type": "image", "image": 3}]), "malformed turn"),
        (openai([{"type": "image_url"}]), "malformed turn"),
        (openai([{"type": "image_url", "image_url": {"url": 3}}]), "malformed turn"),
        (openai(None), "malformed turn"),
        (llava(image=3), "malformed images"),
        (llava(image=[3]), "malformed images"),
        (llava(image={"path": "b.png"}), "malformed images"),
        (llava(image="none.png"), "missing image"),
        (llava(image="none/none.png"), "missing image"),
        (llava(image="a\0b/c\0.png"), "missing image"),
        (llava(image="x" * 300), "missing image"),
        (llava(image="x" * 300 + "/b.png"), "missing image"),
        (llava(image="iVBORw0KGgo" * 1000), "missing image"),
        (llava(image="../b.png"), "image name is a path"),
        (llava(image="/etc/passwd"), "image name is a path"),
        (llava(image="file:///etc/passwd"), "image name is a path"),
        (llava(image="file://coco/../../b.png"), "image name is a path"),
        (llava(image=HALF), "not text"),
        (llava(image="a" + HALF + "/b.png"), "not text"),
        (llava(image="https://example.com/a.png"), "image is a URL"),
        (llava(image="S3://[bucket/a.png"), "image is a URL"),
        (llava(image="https://example.com/" + HALF), "image is a URL"),
        (llava(image="data:image/png;base64,%%%"), "malformed image"),
        (llava(image="data:image/png;base64,abc"), "malformed image"),
        (llava(image="data:image/png,abc"), "malformed image"),
        (llava(image="data:" + HALF), "malformed image"),
    ],
)
def test_a_malformed_row_is_set_aside(tmp_path: Path, row: Any, reason: str) -> None:
    records = of(tmp_path, llava(id="good"), row)
    found = rejection(records)
    assert (found.reason, str(found.place)) == (reason, f"{tmp_path / 'data.json'}, entry 2")
    assert len(found.detail) < 1000 or row.get("image", "").startswith("x")
    assert [example.id for example in prepared(records, tmp_path / "data", 0.5)] == ["good-0"]


def test_what_the_preparation_sets_aside(tmp_path: Path) -> None:
    rows = [
        llava(id="good"),
        llava("<image>A?", "word " * 200),  # no answer of one word or phrase
        llava("<image>A?", "<think>a"),
        llava("<image>A?", HALF),
        llava("<image>", "b"),
        llava("A?", "b", image=None),
        llava(image="data:image/png;base64,YWJj"),
    ]
    records = of(tmp_path, *rows)
    assert all(isinstance(record, RawRecord) for record in records())
    assert [example.id for example in prepared(records, tmp_path / "data", 0.9)] == ["good-0"]
    lines = (tmp_path / "data/rejected.train.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in lines] == [
        *("unmatchable answer", "special token", "not text", "empty question", "missing image", "not an image"),
    ]


@pytest.mark.parametrize("form", ["{}/b.png", "file://{}/b.png"])
def test_absolute_names_within_the_folder(tmp_path: Path, form: str) -> None:
    assert names(only(of(tmp_path, llava(image=form.format(tmp_path)))), tmp_path) == ["b.png"]


def test_images_may_stand_elsewhere(tmp_path: Path) -> None:
    draw_images(tmp_path / "photos", "c.png")
    file = write(tmp_path / "data.json", [llava(image="c.png")])
    assert only(conversation_records(file, tmp_path / "photos")).images == (tmp_path / "photos/c.png",)
    with pytest.raises(DataError, match="nowhere does not exist"):
        list(conversation_records(file, tmp_path / "nowhere")())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps([llava()])[:-9], "ends within entry 1; is it truncated"),
        (json.dumps(llava()) + "\n" + json.dumps(llava())[:-9], "line 2: not valid JSON .*truncated"),
        (json.dumps(llava(), indent=2), "line 1: not valid JSON"),
        ("[" * 100_000 + "]" * 100_000, "entry 1: not readable as JSON"),
        ('{"id": ' + "[" * 100_000 + "]" * 100_000 + "}", "line 1: not readable as JSON"),
        ('"text"', "line 1: expected a JSON object, found str"),
    ],
)
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(conversation_records(write(tmp_path / "data.json", text))())


def test_an_empty_file_has_no_question(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the split has no question"):
        prepared(conversation_records(write(tmp_path / "data.json", "")), tmp_path / "data")
    with pytest.raises(DataError, match=r"none\.json does not exist"):
        list(conversation_records(tmp_path / "none.json")())


def test_only_the_file_is_required() -> None:
    splits = {name: {"file": f"{name}.json"} for name in ("train", "val", "test")}
    assert not list(data_problems(DataSettings.model_validate({"source": "conversations", "splits": splits})))


def test_photographs_as_conversations_are_the_same_records(tmp_path: Path) -> None:
    sample = SHARED / "data"
    if not (sample / "gqa-cot-sample").is_dir():
        pytest.skip("needs the sample of photographs")
    file, images = sample / "gqa-cot-sample/train_data.jsonl", sample / "gqa-cot-sample/images"
    expected = [record for record in read_gqa_cot(file, images) if isinstance(record, RawRecord)]
    rows = [
        llava(
            f"<image>\n{record.question}",
            f"<think>{record.chain}</think><answer>{record.answers[0]}</answer>",
            image=record.images[0].name if isinstance(record.images[0], Path) else None,
        )
        for record in expected
    ]
    found = [
        record
        for record in conversation_records(write(tmp_path / "x.json", rows), images)()
        if isinstance(record, RawRecord)
    ]
    assert len(found) == len(expected) > 400
    assert [record.images for record in found] == [record.images for record in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert converted(replace(ours, id="", place=theirs.place)) == converted(replace(theirs, id=""))
