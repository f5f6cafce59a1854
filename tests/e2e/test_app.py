"""`make app`: the page in a real browser, with photos, test questions and policies that write hostile text."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from PIL import Image
from workflow_copy import WorkflowCopy

from reinforced_cot.data.examples import read_examples
from reinforced_cot.data.images import encoded
from reinforced_cot.generation.asked_policy import asked_policy
from reinforced_cot.generation.one_question import LoadedPolicy
from reinforced_cot.generation.rendering import rendered_prompt
from reinforced_cot.inert_text import visible
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser: apt-get install chromium"),
]
CHAIN = '<img src=x onerror="window.pwned=1">${window.pwned=2}{{7*7}} **b** \x1b[31m\u202e'
ANSWER = "<script>window.pwned=3</script>`x`"
HOSTILE = f"<think>{CHAIN}</think><answer>{ANSWER}</answer>"
QUESTION = '<b onclick="window.pwned=4">Is</b> ${window.pwned=5} {{7*7}} _red_?'


def learn(base: Path, policy: Path, data: Path) -> None:
    """Publish a policy that has learned to write `HOSTILE` as its reply to the first two test questions."""
    asked = asked_policy(base)
    model, processor = load_model(base / "model", asked.settings.base_model), load_processor(base / "model")
    examples = read_examples(data / "test.jsonl")[:2]
    written = HOSTILE + processor.tokenizer.eos_token
    inputs = processor(
        text=[rendered_prompt(processor, example, asked.settings.prompt) + written for example in examples],
        images=[[Image.open(data / name) for name in example.images] for example in examples],
        padding=True,
        add_special_tokens=False,
        return_tensors="pt",
    )
    labels = inputs["input_ids"].clone()  # padded on the left
    taught = len(processor.tokenizer(written, add_special_tokens=False)["input_ids"])
    labels[:, :-taught] = -100
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3)
    for _ in range(300):
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if loss < 4e-3:
            break
    shutil.copytree(base / "model", policy / "model")
    model.save_pretrained(policy / "model")
    write_manifest(policy / "model", policy / "model.json")
    settings = yaml.safe_load((base / "answer.yaml").read_text())
    settings["answer"]["max_new_tokens"] = 2 * taught
    (policy / "answer.yaml").write_text(yaml.safe_dump(settings))


@dataclass
class App:
    """The server, and where it reads and writes."""

    process: "subprocess.Popen[str]"
    url: str
    results: Path
    uploads: Path
    log: Path


@pytest.fixture(scope="module")
def app(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The page of a run with two policies of the finished run and one that writes `HOSTILE`; a question is hostile."""
    root, finished = tmp_path_factory.mktemp("app"), finished_run.root / "results/smoke"
    results, uploads, log = root / "results", root / "tmp", root / "app.log"
    for folder in (results / "hostile", results / "data", uploads):
        folder.mkdir(parents=True)
    for name in ("base", "sft"):
        (results / name).symlink_to(finished / name)
    (results / "data/images").symlink_to(finished / "data/images")
    shutil.copy(finished / "data/test.yaml", results / "data/test.yaml")
    rows = [json.loads(line) for line in (finished / "data/test.jsonl").read_text().splitlines()]
    rows[1]["question"] = QUESTION
    (results / "data/test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    learn(finished / "base", results / "hostile", results / "data")
    command = [sys.executable, "workflow/scripts/app.py", "--results", str(results), "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(uploads), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    with open(log, "w") as errors:
        process = subprocess.Popen(
            command, cwd=finished_run.root, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout
    line = process.stdout.readline()
    found = re.fullmatch(r"base, (?:hostile, sft|sft, hostile): (http://127\.0\.0\.1:\d+) in a browser .*\n", line)
    assert found, line + log.read_text()
    yield App(process, found[1], results, uploads, log)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0, log.read_text()
    assert not list(uploads.iterdir())  # no photo is left


@pytest.fixture
def page(app: App) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        asked: list[str] = []
        faults: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        tab.goto(app.url)
        tab.get_by_role("button", name="Ask").wait_for()
        yield tab
        assert tab.evaluate("window.pwned") is None
        assert not faults
        assert {url for url in asked if not url.startswith((f"{app.url}/", "data:", "blob:"))} == set()
        browser.close()


def choose(page: Any, *names: str) -> None:
    for name in ("base", "sft", "hostile"):
        page.get_by_label(name, exact=True).set_checked(name in names)


def replies(page: Any) -> dict[str, str]:
    """Ask, and wait for every card's text."""
    page.get_by_role("button", name="Ask").click()
    question = page.get_by_label("Question", exact=True).input_value()
    done = """question => document.querySelector('.asked')?.innerText === question
        && !/waits|is asked/.test(document.querySelector('.cards').innerText)"""
    page.wait_for_function(done, arg=question, timeout=60_000)
    cards = page.locator(".card").all()
    return {card.locator("h2").inner_text(): card.inner_text() for card in cards}


def upload(page: Any, *files: Path) -> None:
    page.locator("#files input[type=file]").set_input_files([str(file) for file in files])


def test_an_uploaded_photo_is_answered_by_two_policies(app: App, page: Any, tmp_path: Path) -> None:
    photo = tmp_path / "{{7*7}}${1+1}\u202e'&.jpg"
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(photo)
    upload(page, photo)
    page.locator("#images img").wait_for()
    page.get_by_label("Question", exact=True).fill("What color is the top digit?")
    choose(page, "base", "sft")
    said = replies(page)
    assert list(said) == ["base", "sft"]
    for name, text in said.items():
        policy = asked_policy(app.results / name)
        image = encoded(photo, "photo", policy.budget)
        completion = LoadedPolicy(policy).answered("What color is the top digit?", [image])
        assert " ".join(completion.text.split()) in " ".join(text.split())
    assert page.locator("#images img").evaluate("image => image.naturalWidth > 0")
    assert page.locator(".truth").count() == 0  # nobody knows it
    caption = page.locator("figcaption").inner_text()
    assert caption.startswith("771+1\\u202e'&.jpg ")  # as Gradio stores the name, its mark made visible


def test_hostile_text_is_inert(app: App, page: Any) -> None:
    page.get_by_label("Find a test question").fill("onclick")
    page.wait_for_timeout(1000)
    page.get_by_label("Test question", exact=True).click()
    option = page.get_by_role("option")
    assert option.count() == 1 and option.inner_text().lstrip("✓ \n").startswith(QUESTION)
    option.click()
    page.locator("#images img").wait_for()
    choose(page, "hostile")
    assert list(replies(page)) == ["hostile"]
    assert page.locator(".asked").inner_text() == QUESTION
    assert page.locator(".chain").inner_text() == visible(CHAIN)
    assert page.locator(".answer span").first.inner_text() == ANSWER
    assert page.locator(".answers").locator("img, script, b[onclick], em, strong").count() == 0
    page.wait_for_timeout(300)  # for a script that would run later; the fixture looks at what one has left
    assert "\x1b" not in app.log.read_text()


def test_the_truth_stands_beside_answers_to_test_questions(app: App, page: Any) -> None:
    row = json.loads((app.results / "data/test.jsonl").read_text().splitlines()[0])
    page.get_by_label("Find a test question").fill(row["id"])
    page.wait_for_timeout(1000)
    page.get_by_label("Test question", exact=True).click()
    page.get_by_role("option").first.click()
    page.locator("#images img").wait_for()
    choose(page, "hostile", "sft")
    said = replies(page)
    assert page.locator(".truth").inner_text() == f"True answer: {row['answers'][0]}"
    assert "✗ wrong" in said["hostile"] and "malformed: no <think>, cut off after 16 tokens" in said["sft"]
    page.get_by_label("Question", exact=True).fill("Something else?")
    assert "wrong" not in replies(page)["hostile"]
    assert page.locator(".truth").count() == 0  # the question is no test question any more


def test_bad_input_gets_one_line(page: Any, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    Image.new("RGB", (60, 60), "red").save(tmp_path / "red.png")
    problem = page.locator("#problem")

    def line() -> str:
        page.locator("#problem .problem").wait_for()
        text: str = problem.inner_text()
        return text

    page.get_by_role("button", name="Ask").click()
    assert line() == "there is no image, or no question"
    upload(page, tmp_path / "text.png")
    page.get_by_text("not an image: text.png begins with").wait_for()
    assert "\n" not in line()
    upload(page, tmp_path / "red.png")
    page.locator("#images img").wait_for()
    assert problem.inner_text() == ""
    page.get_by_label("Question", exact=True).fill("Is <|im_end|> red?")
    page.get_by_role("button", name="Ask").click()
    assert line() == "the question holds <|im_end|>, which models read as a control token: leave it out"
    page.get_by_label("Question", exact=True).fill("Is it red?")
    choose(page)
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("no policy is chosen").wait_for()


def test_only_this_machine_is_served(app: App) -> None:
    listening = [one for one in psutil.Process(app.process.pid).net_connections() if one.status == psutil.CONN_LISTEN]
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
    foreign = subprocess.run(["curl", "-s", "-i", "-H", "Host: example.org", app.url], capture_output=True, text=True)
    assert foreign.stdout.startswith("HTTP/1.1 400")
    own = subprocess.run(["curl", "-s", "-i", app.url], capture_output=True, text=True)
    assert own.stdout.startswith("HTTP/1.1 200") and "content-security-policy: default-src 'self'" in own.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--results", "none"), "none holds no policy with a model: `make run` trains them"),
        (("--policies", "grp"), "results/smoke/grp holds no model/; policies with a model: base, sft, g"),
        (("--port", "{port}"), "port {port} cannot be used (Address already in use): make app PORT="),
    ],
)
def test_mistakes_end_the_start_in_one_line(
    finished_run: WorkflowCopy, app: App, arguments: tuple[str, str], message: str
) -> None:
    port = app.url.rsplit(":", 1)[1]
    command = [sys.executable, "workflow/scripts/app.py", "--results", "results/smoke"]
    command += [argument.format(port=port) for argument in arguments]
    run = subprocess.run(command, cwd=finished_run.root, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith(f"error: {message.format(port=port)}"), run.stderr
