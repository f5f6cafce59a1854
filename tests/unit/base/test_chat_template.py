"""A checkpoint whose chat template writes another text than SFT means to teach is refused when it is laid out."""

import json
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from thinking_templates import HEADER, TEMPLATES, TEXT, TURN_END, Change, change_template, with_template
from tiny_run import PROMPT, TinyRun

from reinforced_cot.base.base_model import make_base
from reinforced_cot.base.chat_template import check_chat_template
from reinforced_cot.data.opened_chains import opened_by
from reinforced_cot.errors import DataError
from reinforced_cot.generation.rendering import rendered_prompt
from reinforced_cot.models.processors import load_processor

PUBLISHED = files("trl").joinpath("chat_templates")

REFUSED: dict[str, Change] = {
    "turns end with another token": (TURN_END, "'<|endoftext|>\\n' -}}"),
    "tags are left out": (TEXT, "content['text'].replace('<answer>', '') -}}"),
    "half of the chain is left out": (TEXT, "content['text'].replace('It is red.', '') -}}"),
    "the prompt goes on after its chain's tag": (HEADER, "'<|im_start|>assistant\\n<think>\\nWell, ' -}}"),
    "the prompt opens with another tag": (HEADER, "'<|im_start|>assistant\\n<thinking>\\n' -}}"),
    "chains have other tags in turns": (TEXT, "content['text'].replace('think>', 'thought>') -}}"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_of_instruct_and_of_thinking_models_are_taken(tiny_run: TinyRun, tmp_path: Path, name: str) -> None:
    base = with_template(tiny_run, name, tmp_path)
    template = (base / "model/chat_template.jinja").read_text()
    assert template == (tmp_path / "published/chat_template.jinja").read_text()


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl", "qwen3_5_think", "qwen3_6", "qwen3_8"])
def test_published_templates_are_taken(tiny_run: TinyRun, name: str) -> None:
    """As TRL knows them; the last three open the chain."""
    processor = load_processor(tiny_run.base / "model")
    processor.chat_template = PUBLISHED.joinpath(f"{name}.jinja").read_text(encoding="utf-8")
    check_chat_template(processor, name)
    prompt = rendered_prompt(processor, tiny_run.examples[0], PROMPT)
    assert opened_by(prompt) == ("" if name.endswith("vl") else "<think>\n")


def test_a_published_template_that_closes_the_chain_is_refused(tiny_run: TinyRun) -> None:
    processor = load_processor(tiny_run.base / "model")
    processor.chat_template = PUBLISHED.joinpath("qwen3_5_nothink.jinja").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="writes an empty chain into the prompt"):
        check_chat_template(processor, "nothink")


def refusal(run: TinyRun, folder: Path, source: Path) -> str:
    with pytest.raises(DataError) as caught:
        make_base(run.settings(checkpoint__path=str(source)).base, run.examples, folder / "base")
    assert not (folder / "base/model").exists()
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_a_template_that_writes_something_else_is_refused(tiny_run: TinyRun, tmp_path: Path, name: str) -> None:
    source = shutil.copytree(tiny_run.base / "model", tmp_path / "odd")
    change_template(source, [REFUSED[name]])
    message = refusal(tiny_run, tmp_path, source)
    assert re.match(r"(?s)the chat template of .*odd does not write what SFT .*wanted:  .*\nwritten: .*\nA te", message)


def test_a_template_that_writes_an_empty_chain_into_the_prompt_is_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    """As Qwen3's with enable_thinking false: a policy would be asked to answer without a chain."""
    source = shutil.copytree(tiny_run.base / "model", tmp_path / "closed")
    change_template(source, [(HEADER, "'<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' -}}")])
    message = refusal(tiny_run, tmp_path, source)
    assert message.startswith(f"the chat template of {source} writes an empty chain into the prompt, so that a policy")
    assert r"assistant\n<think>\n\n</think>\n\n'" in message


def test_tags_that_decoding_leaves_out_are_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    """An added token is left out with the special tokens if it is one of them, and kept if it is not, as Qwen3's."""
    source = shutil.copytree(tiny_run.base / "model", tmp_path / "special")
    file = source / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    last = max(tokenizer["model"]["vocab"].values())
    form = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    for special in (False, True):
        tokens = [
            {"id": last + 1 + number, "content": tag, **form, "special": special}
            for number, tag in enumerate(("<think>", "</think>"))
        ]
        file.write_text(json.dumps({**tokenizer, "added_tokens": [*tokenizer["added_tokens"], *tokens]}), "utf-8")
        if special:
            message = refusal(tiny_run, tmp_path / "refused", source)
            assert message.startswith(f"the tokenizer of {source} takes <think> for a special token and decodes it as ")
        else:
            settings = tiny_run.settings(checkpoint__path=str(source)).base
            make_base(settings, tiny_run.examples, tmp_path / "taken")
