"""Chat templates in the forms of models that think by themselves, made from the tiny model's own."""

import shutil
from pathlib import Path

from tiny_run import TinyRun

from reinforced_cot.base.base_model import make_base

TEXT, TURN_END, HEADER = "content['text'] -}}", "'<|im_end|>\\n' -}}", "'<|im_start|>assistant\\n' -}}"
Change = tuple[str, str]
OPENS: Change = (HEADER, "'<|im_start|>assistant\\n<think>\\n' -}}")
DROPS: Change = (TEXT, "content['text'].split('</think>')[-1] -}}")
# By name, the changes of the plain template, and what of a completion the prompt has opened.
TEMPLATES: dict[str, tuple[list[Change], str]] = {
    "plain": ([], ""),
    "opens": ([OPENS], "<think>\n"),
    "opens without a line break": ([(HEADER, "'<|im_start|>assistant\\n<think>' -}}")], "<think>"),
    "opens with an empty line": ([(HEADER, "'<|im_start|>assistant\\n<think>\\n\\n' -}}")], "<think>\n\n"),
    "drops chains": ([DROPS], ""),
    "opens and drops chains": ([OPENS, DROPS], "<think>\n"),  # as DeepSeek-R1
    "opens and parts chain and answer": (  # as Qwen3-VL-Thinking
        [OPENS, (TEXT, "content['text'].replace('</think>\\n', '</think>\\n\\n') -}}")],
        "<think>\n",
    ),
    "drops chains and leaves their tags": (  # as Qwen3.5
        [OPENS, (TEXT, "content['text'].replace('I look at the cup.\\nIt is red.', '') -}}")],
        "<think>\n",
    ),
}


def change_template(checkpoint: Path, changes: list[Change]) -> None:
    """Change the chat template of a checkpoint's folder."""
    file = checkpoint / "chat_template.jinja"
    template = file.read_text(encoding="utf-8")
    for before, after in changes:
        assert template.count(before) == 1, template
        template = template.replace(before, after)
    file.write_text(template, encoding="utf-8")


def with_template(run: TinyRun, name: str, folder: Path) -> Path:
    """A base as `make_base` lays out the tiny run's with one of the `TEMPLATES`."""
    source = shutil.copytree(run.base / "model", folder / "published")
    change_template(source, TEMPLATES[name][0])
    make_base(run.settings(checkpoint__path=str(source)).base, run.examples, folder / "base")
    return folder / "base"
