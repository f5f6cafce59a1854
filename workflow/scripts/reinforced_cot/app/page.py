"""The page: what it holds, and what happens when somebody acts on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from reinforced_cot.app.cards import answers_html, images_html, problem_html
from reinforced_cot.app.replies import Replies, Reply
from reinforced_cot.app.run import Run, listed
from reinforced_cot.data.examples import Example
from reinforced_cot.data.images import EncodedImage, encoded
from reinforced_cot.errors import PipelineError
from reinforced_cot.generation.asked_policy import checked_question
from reinforced_cot.inert_text import visible_line

TITLE = "Ask the policies"


@dataclass(frozen=True)
class Shown:
    """The images on the page.

    Attributes:
        names: one for each image.
        example: the number of the test question that they belong to; None for images of somebody's own.
    """

    names: tuple[str, ...] = ()
    images: tuple[EncodedImage, ...] = ()
    example: int | None = None


class Page:
    """What the page does with what somebody gives it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._replies = Replies(run.policies)

    def blocks(self) -> gr.Blocks:
        """The page's components, with their actions."""
        names = list(self._run.policies)
        with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(600, 600)) as page:
            shown = gr.State(Shown())
            gr.HTML(f"<h1>{TITLE}</h1>", elem_id="heading")
            with gr.Row():
                with gr.Column(scale=2, min_width=300):
                    files = gr.File(label="Images of your own", file_count="multiple", height=150, elem_id="files")
                    if self._run.questions:
                        find = gr.Textbox(
                            label="Find a test question", placeholder="words, a type or an id", max_lines=1
                        )
                        chosen = gr.Dropdown(self._choices(""), value=None, label="Test question", elem_id="chosen")
                    images = gr.HTML(images_html((), ()), elem_id="images")
                    problem = gr.HTML("", elem_id="problem")
                    question = gr.Textbox(label="Question", lines=2, placeholder="What color is the cup?")
                    policies = gr.CheckboxGroup(names, value=names, label="Policies")
                    ask = gr.Button("Ask", variant="primary")
                with gr.Column(scale=3, min_width=300):
                    answers = gr.HTML("", elem_id="answers")
            looks: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
            taken = [files, shown, images, question, problem, answers]
            files.upload(self.upload, [files, question], taken, **looks)
            if self._run.questions:
                find.change(lambda words: gr.Dropdown(self._choices(words), value=None), find, chosen, **looks)
                chosen.input(self.take, [chosen], taken, **looks)
            for event in (ask.click, question.submit):
                event(
                    self.ask,
                    [shown, question, policies],
                    [problem, answers],
                    concurrency_limit=1,
                    concurrency_id="answer",
                    **looks,
                )
        return page

    def upload(self, files: Sequence[str] | None, question: str) -> tuple[Any, ...]:
        """Show images of somebody's own, or say what is wrong with one; the place for files is empty again."""
        names = [visible_line(Path(file).name) for file in files or ()]
        try:
            images = [
                encoded(Path(file), name, self._run.budget) for file, name in zip(files or (), names, strict=True)
            ]
        except PipelineError as error:
            return None, Shown(), images_html((), ()), question, problem_html(str(error)), ""
        return None, Shown((*names,), (*images,)), images_html(names, images), question, "", ""

    def take(self, number: int | None) -> tuple[Any, ...]:
        """Show a test question with its images."""
        if number is None:
            return None, Shown(), images_html((), ()), "", "", ""
        example = self._run.questions[number]
        try:
            images = self._run.images_of(example)
        except PipelineError as error:
            return None, Shown(), images_html((), ()), example.question, problem_html(str(error)), ""
        names = [visible_line(Path(name).name) for name in example.images]
        shown = Shown((*names,), (*images,), number)
        return None, shown, images_html(names, images), example.question, "", ""

    def ask(self, shown: Shown, text: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Ask the chosen policies one after another; each yield is what the page shows then."""
        asked = [name for name in self._run.policies if name in names]
        try:
            question = checked_question(text, len(shown.images))
        except PipelineError as error:
            yield problem_html(str(error)), ""
            return
        if not asked:
            yield problem_html("no policy is chosen"), ""
            return
        example = self._example(shown, question)
        replies: dict[str, Reply] = {}
        yield "", answers_html(question, asked, replies, example)
        for name in asked:
            replies[name] = self._replies.reply(name, question, shown.images)
            yield "", answers_html(question, asked, replies, example)

    def _example(self, shown: Shown, question: str) -> Example | None:
        """The test question that is asked; none where its text was changed."""
        if shown.example is None or self._run.questions[shown.example].question != question:
            return None
        return self._run.questions[shown.example]

    def _choices(self, words: str) -> list[tuple[str, int]]:
        questions = self._run.questions
        return [(visible_line(listed(questions[number])), number) for number in self._run.matching(words)]
