"""Whether a checkpoint's chat template and tokenizer suit the completions that SFT means to teach.

A template may open the chain in the prompt, and may leave chains out of an assistant's turns, which no stage renders.
Any other text would come between what SFT teaches and what a policy is asked with.
"""

from transformers import ProcessorMixin

from reinforced_cot.data.completions import TAGS, THINK_CLOSE, THINK_OPEN, completion_text
from reinforced_cot.data.opened_chains import opened_by
from reinforced_cot.errors import DataError

# Written out, so that a change of this pipeline's own prompts makes no base again.
_SYSTEM = {"role": "system", "content": [{"type": "text", "text": "Think first."}]}
_USER = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What color is the cup?"}]}
_CHAIN = "I look at the cup.\nIt is red."
_COMPLETION = completion_text(_CHAIN, "red")
_ANSWER = _COMPLETION.rpartition(THINK_CLOSE)[2].strip()
_ASSISTANT = {"role": "assistant", "content": [{"type": "text", "text": _COMPLETION}]}


def check_chat_template(processor: ProcessorMixin, source: str) -> None:
    """See that a prompt, its completion and the end token are the conversation that the template writes.

    Args:
        source: of the checkpoint, as the user knows it.

    Raises:
        DataError: the template writes another text, or an empty chain in the prompt; or the tokenizer takes tags for
            special tokens. The message has the text that SFT would teach, and the one that the template writes.
    """
    _check_tags(processor, source)
    for asked in ([_USER], [_SYSTEM, _USER]):
        begin = processor.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        if begin.rstrip().endswith(THINK_CLOSE):
            raise DataError(
                f"the chat template of {source} writes an empty chain into the prompt, so that a policy would answer "
                f"without thinking.\nwanted:  a prompt that ends with {THINK_OPEN}, or before it\n"
                f"written: {begin!r}\nChange its chat_template.jinja, or take a checkpoint that thinks"
            )
        header = begin.removesuffix(opened_by(begin))
        written = processor.apply_chat_template([*asked, _ASSISTANT], tokenize=False)
        if not written.startswith(header) or not _is_turn(written.removeprefix(header), processor.tokenizer.eos_token):
            raise DataError(
                f"the chat template of {source} does not write what SFT would teach.\n"
                f"wanted:  {header + _COMPLETION + processor.tokenizer.eos_token!r}\nwritten: {written!r}\n"
                f"A template may open {THINK_OPEN} in the prompt and leave the chain out of a turn; all else must be "
                "as wanted: change its chat_template.jinja, or take another checkpoint"
            )


def _is_turn(turn: str, end: str) -> bool:
    """Whether this is the completion with the end token; the chain may be missing, and tags may hold nothing."""
    before, _, answer = turn.rpartition(THINK_CLOSE)
    chain = before.replace(THINK_OPEN, "").replace(THINK_CLOSE, "").strip()
    return answer.strip("\n") == _ANSWER + end and chain in ("", _CHAIN)


def _check_tags(processor: ProcessorMixin, source: str) -> None:
    """Refuse a tokenizer whose special tokens include tags: they would be left out of every decoded completion."""
    for tag in TAGS:
        ids = processor.tokenizer(tag, add_special_tokens=False)["input_ids"]
        if (decoded := processor.tokenizer.decode(ids, skip_special_tokens=True)).strip() != tag:
            raise DataError(
                f"the tokenizer of {source} takes {tag} for a special token and decodes it as {decoded!r}, so that no "
                'completion would have it: set "special": false for it in tokenizer.json and tokenizer_config.json'
            )
