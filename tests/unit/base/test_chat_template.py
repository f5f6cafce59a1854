"""A checkpoint whose chat template writes another text than SFT means to teach is refused when it is laid out."""

import shutil
from pathlib import Path

import pytest
from tiny_run import TinyRun

from reinforced_cot.base.base_model import make_base
from reinforced_cot.base.chat_template import check_chat_template
from reinforced_cot.errors import DataError
from reinforced_cot.models.processors import load_processor

# What the template of the tiny model writes, and what templates of thinking models write in its place.
TEXT, TURN_END, HEADER = "content['text'] -}}", "'<|im_end|>\\n' -}}", "'<|im_start|>assistant\\n' -}}"
CHANGES = {
    "the prompt opens the chain": (HEADER, "'<|im_start|>assistant\\n<think>\\n' -}}"),
    "chains are left out": (TEXT, "content['text'].split('</think>')[-1] -}}"),
    "turns end with another token": (TURN_END, "'<|endoftext|>\\n' -}}"),
    "tags are left out": (TEXT, "content['text'].replace('<answer>', '') -}}"),
}


def test_the_template_of_an_instruct_model_is_taken(tiny_run: TinyRun) -> None:
    check_chat_template(load_processor(tiny_run.base / "model"), "tiny")


@pytest.mark.parametrize("name", CHANGES)
def test_a_template_that_writes_something_else_is_refused(tiny_run: TinyRun, tmp_path: Path, name: str) -> None:
    source = shutil.copytree(tiny_run.base / "model", tmp_path / "thinking")
    template = (source / "chat_template.jinja").read_text()
    before, after = CHANGES[name]
    assert before in template, template
    (source / "chat_template.jinja").write_text(template.replace(before, after))
    settings = tiny_run.settings(checkpoint__path=str(source)).base
    with pytest.raises(DataError, match=r"(?s)the chat template of .*thinking does not .*wanted:  .*\nwritten: "):
        make_base(settings, tiny_run.examples, tmp_path / "base")
    assert not (tmp_path / "base/model").exists()
