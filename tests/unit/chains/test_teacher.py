"""A teacher behind an endpoint: asked once, whatever the server does; every failure is one line."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from teacher_server import MODEL, Fault, TeacherServer

from reinforced_cot.chains.settings import ChainSet, TeacherSettings, teacher_of
from reinforced_cot.chains.teacher import ask_teacher
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.endpoints.reply_store import Reply, ReplyStore
from reinforced_cot.endpoints.spending import Spent
from reinforced_cot.errors import PipelineError


def reply(question: str, seed: int) -> str:
    return completion_text(f"I look at {question} {seed % 3}", "yes")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "b.jpg")
    return tmp_path


def questions(count: int) -> list[Example]:
    return [Example(f"q{n}", ("a.png",), f"Is it {n}?", ("yes",), "verify") for n in range(count)]


def settings(server: TeacherServer | str, **changes: Any) -> TeacherSettings:
    url = server if isinstance(server, str) else server.url
    values = {"by": "endpoint", "url": url, "model": MODEL, "tries": 3, "concurrency": 4, **changes}
    chosen = ChainSet.model_validate(values)
    return TeacherSettings(name="t", seed=1, instruction="", teacher=teacher_of(chosen))


def ask(asked: TeacherSettings, examples: list[Example], data: Path) -> tuple[dict[str, list[str]], Spent]:
    with ReplyStore(data / "store/replies.jsonl") as store:
        return ask_teacher(asked, examples, data, store)


def test_every_question_is_asked_once_with_its_images(data: Path) -> None:
    with TeacherServer(reply) as server:
        two = Example("two", ("b.jpg", "a.png"), "Is <image> as <image>?", ("yes",), "verify")
        examples = [*questions(5), two]
        replies, spent = ask(settings(server, samples=2, price={"input": 1.0, "output": 2.0}), examples, data)
        assert list(replies) == [example.id for example in examples]
        assert all(len(texts) == 2 for texts in replies.values())
        assert (spent.requests, spent.input_tokens, spent.output_tokens) == (12, 1200, 240)
        assert spent.cost(settings(server, price={"input": 1.0, "output": 2.0}).teacher) == pytest.approx(1680e-6)
        assert sum(server.asked.values()) == len(server.asked) == 12
        (shown,) = [body for body in server.bodies if len(body["messages"][-1]["content"]) > 2][:1]
        kinds = [part["type"] for part in shown["messages"][-1]["content"]]
        assert kinds == ["text", "image_url", "text", "image_url", "text"]
        urls = [part["image_url"]["url"][:22] for part in shown["messages"][-1]["content"] if "image_url" in part]
        assert urls == ["data:image/jpeg;base64", "data:image/png;base64,"]
        assert ask(settings(server, samples=2), examples, data)[0] == replies
        assert sum(server.asked.values()) == 12  # nothing is asked again
        ask(settings(server, samples=3), examples, data)
        assert sum(server.asked.values()) == 18


@pytest.mark.parametrize("fault", [429, 500, 503, "no JSON", "no choices", "close", "slow"])
def test_faults_of_a_moment_are_tried_again(data: Path, fault: Fault) -> None:
    with TeacherServer(reply, iter([fault] * 2)) as server:
        replies, spent = ask(settings(server, timeout=0.5, concurrency=2), questions(6), data)
        assert [texts[0][:20] for texts in replies.values()] == ["<think>\nI look at Is"] * 6
        assert spent.requests == 6 and sum(server.asked.values()) == 8


def test_a_request_that_is_refused_counts_as_an_empty_reply(data: Path) -> None:
    with TeacherServer(reply, iter([400])) as server:
        replies, spent = ask(settings(server, concurrency=1), questions(4), data)
        assert [texts[0][:3] for texts in replies.values()] == ["", "<th", "<th", "<th"]
        assert spent.refused == ["fault 400"]


@pytest.mark.parametrize(
    ("faults", "changes", "message"),
    [
        ([], {"model": "other"}, r"knows no model other; it has teacher-72b"),
        ([], {"key_env": "NO_SUCH_KEY"}, r"the environment has no NO_SUCH_KEY, which `chains\.t\.key_env` names"),
        ([], {"key_env": "WRONG_KEY"}, r"/v1 refuses the key in WRONG_KEY"),
        ([400] * 99, {}, r"/v1 refuses every request: fault 400"),
        ([500] * 99, {}, r"/v1 fails in 3 tries: fault 500"),
        ([429] * 99, {}, r"/v1 fails in 3 tries: fault 429"),
        (["no JSON"] * 99, {}, r"/v1 fails in 3 tries: "),
        (["no choices"] * 99, {}, r"/v1 fails in 3 tries: a reply without a text"),
        (["close"] * 99, {}, r"/v1 cannot be reached in 3 tries"),
        (["slow"] * 99, {"timeout": 0.2, "tries": 2}, r"has not answered within 0\.2 s \(timeout\) in 2 tries"),
        ([418] * 99, {}, r"answers with status 418: fault 418"),
        ([], {"max_requests": 3}, r"chains\.t\.max_requests \(3\) is reached: raise it"),
        ([], {"max_cost": 0.0003, "price": {"input": 1, "output": 1}, "concurrency": 1}, r"chains\.t\.max_cost"),
    ],
)
def test_each_failure_is_one_line_and_what_was_asked_is_kept(
    data: Path, monkeypatch: pytest.MonkeyPatch, faults: list[Fault], changes: dict[str, Any], message: str
) -> None:
    monkeypatch.setenv("WRONG_KEY", "sk-secret-1")
    with TeacherServer(reply, iter(faults)) as server:
        server.key = "sk-right" if "WRONG_KEY" in changes.values() else None
        with pytest.raises(PipelineError, match=message) as refusal:
            ask(settings(server, **changes), questions(8), data)
        assert "\n" not in str(refusal.value) and "sk-secret" not in str(refusal.value)
        if "max_requests" in changes:
            assert "3 requests" in str(refusal.value) and sum(server.asked.values()) == 3
            ask(settings(server), questions(8), data)
            assert sum(server.asked.values()) == 8


def test_records_that_ask_the_same_are_asked_once(data: Path) -> None:
    with TeacherServer(reply) as server:
        twice = [*questions(2), Example("again", ("a.png",), "Is it 0?", ("yes",), "verify")]
        replies, spent = ask(settings(server), twice, data)
        assert replies["again"] == replies["q0"] and spent.requests == 2 == sum(server.asked.values())
        assert ask(settings(server), twice, data)[1].requests == 2


def test_a_server_that_is_down(data: Path) -> None:
    with pytest.raises(PipelineError, match=r"cannot be reached in 2 tries .*does the server run\?"):
        ask(settings("http://127.0.0.1:9/v1", tries=2), questions(2), data)


def test_the_key_reaches_the_server_and_no_file(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-very-secret")
    with TeacherServer(reply, iter([429, 500])) as server, caplog.at_level(logging.DEBUG):
        server.key = "sk-very-secret"
        ask(settings(server, key_env="TEACHER_KEY"), questions(3), data)
    texts = [caplog.text, *(path.read_text() for path in data.rglob("*.jsonl"))]
    assert not any("sk-very-secret" in text for text in texts)


def test_a_preview_asks_some_and_keeps_their_replies(data: Path) -> None:
    with TeacherServer(reply) as server:
        replies, _ = ask(settings(server, preview=3), questions(20), data)
        assert len(replies) == 3 == sum(server.asked.values())
        ask(settings(server), questions(20), data)
        assert sum(server.asked.values()) == 20


def test_as_many_are_under_way_as_allowed_and_no_more_begin_in_a_minute(data: Path) -> None:
    with TeacherServer(reply) as server:
        server.delay = 0.1
        ask(settings(server, concurrency=5), questions(20), data)
        assert 3 <= server.most <= 5
    with TeacherServer(reply) as server:
        server.delay = 0.0
        ask(settings(server, samples=2, requests_per_minute=600), questions(6), data)
        assert server.most <= 3  # one begins every tenth of a second


def test_a_cut_or_damaged_line_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"
    with ReplyStore(file) as store:
        for number in range(4):
            store.add(f"k{number}", Reply(f"text {number}", "", 1, 2))
    lines = file.read_text().splitlines()
    assert ReplyStore(file).get("k3") == Reply("text 3", "", 1, 2)
    damaged = [line.replace("text 1", "text 7") for line in lines]
    file.write_text("\n".join(damaged)[:-9])
    found = ReplyStore(file)
    assert [found.get(f"k{number}") is None for number in range(4)] == [False, True, False, True]
    with ReplyStore(file) as store:
        store.add("k3", Reply("again"))
    assert ReplyStore(file).get("k3") == Reply("again")
    assert all(json.loads(line) for line in file.read_text().splitlines()[-1:])
