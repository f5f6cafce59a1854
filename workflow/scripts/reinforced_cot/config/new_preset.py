"""The text of a preset for somebody's own data, which `make preset` writes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from reinforced_cot.config.composition import NAMED
from reinforced_cot.config.yaml_files import read_yaml
from reinforced_cot.errors import DataError
from reinforced_cot.paths import PRESETS
from reinforced_cot.preparation.look import Look
from reinforced_cot.sources.settings import Source

FULL_SIZE = "full-size"
_TAGS = """\
  system: >-
    You answer questions about images. First reason step by step inside <think> and </think>. Then give the final
    answer, a word or a short phrase, inside <answer> and </answer>. Write nothing else.
"""
_TOKENS_PER_WORD, _TOKENS_OF_TAGS = 2, 24  # at most, in chains of a small vocabulary
_GROUP = 8  # completions per question in RL
_PROMPTS = 16  # different questions per generation, where there are as many
_TRAIN, _VAL = 0.8, 0.1  # shares of the images; without a test file, the rest is the test split
_MANY = 2000  # chains
_LONGEST_WORDS = 12  # characters per word, in the mean of a chain
_SMALL = 112 * 112  # pixels: 16 visual tokens of Qwen2.5-VL
_TESTS = 1000  # questions that a tiny model is asked: on a CPU, more take long and say little more
_ENOUGH = 20  # images of test, where a quarter of all is fewer than that
FEW = 300  # images, of which a tenth by hash may be none


class Wanted(NamedTuple):
    """What `make preset` was called with.

    Attributes:
        name: of the preset, and of its results folder.
        data: what train and val are parts of.
        test: the source of the test split; None for a part of the data.
        model: a hub id or the folder of a checkpoint; None for the tiny model.
        many_tests: whether there are more questions in ``test`` than were looked at.
        cuts: where train ends, and where val ends, among the images in the order of their hashes.
    """

    name: str
    data: Source
    test: Source | None = None
    model: str | None = None
    many_tests: bool = False
    cuts: tuple[float, float] = (_TRAIN, _TRAIN + _VAL)


def preset_for(model: str) -> str | None:
    """The name of the preset that puts a model as the base, or None; a user's own has data, which it would pass on."""
    for file in sorted(PRESETS.glob("*.yaml")):
        content = read_yaml(file)
        base = content.get("base_model") if isinstance(content, Mapping) else None
        own_data = "data" in content and file != NAMED[FULL_SIZE]
        if isinstance(base, Mapping) and base.get("path") == model and not own_data:
            return file.stem
    return None


def preset_text(wanted: Wanted, look: Look) -> str:
    """The preset: commented YAML that extends what fits the model.

    Args:
        look: of the data; it decides whether SFT is possible, how long completions are, and the sizes of batches.
    """
    return "\n".join([*_head(wanted, look), *_data(wanted), *_model(wanted, look), *_policies(wanted, look)]) + "\n"


def command(wanted: Wanted) -> str:
    """What to call next."""
    return f"snakemake --configfile config/presets/{wanted.name}.yaml --cores all"


def cuts_of(places: Sequence[float], has_test: bool = False) -> tuple[float, float]:
    """Where train and val end, so that val and test have a tenth of the images each, and at least one.

    Of few images, test gets a quarter, up to twenty: a score of two images says nothing.

    Args:
        places: of the images, in order (`parts.images_in_order`).
        has_test: there is a test file, so that val has all images behind train's.

    Raises:
        DataError: there are fewer images than splits.
    """
    if len(places) > FEW:
        return _TRAIN, _TRAIN + _VAL
    if len(places) < (needed := 2 if has_test else 3):
        splits = "train and val" if has_test else "train, val and test"
        raise DataError(f"there are {len(places)} different images; {splits} need one each, {needed} at least")
    held = max(1, round(_VAL * len(places)))
    tested = max(held, min(_ENOUGH, len(places) // 4))

    def before(end: int) -> float:
        return round((places[len(places) - end - 1] + places[len(places) - end]) / 2, 6)

    return (before(held),) * 2 if has_test else (before(tested + held), before(tested))


def _head(wanted: Wanted, look: Look) -> Iterator[str]:
    kinds = ", ".join(f"{kind} {count / look.kept:.0%}" for kind, count in look.kinds.most_common(3))
    yield "# yaml-language-server: $schema=../../workflow/schemas/config.schema.json"
    yield "#"
    yield f"# Written by `make preset` from {wanted.data.file}."
    yield f"# Its {'' if look.is_whole else 'first '}{look.kept:,} records: {kinds}; {look.chains:,} chains of thought."
    yield f"#   {command(wanted)}"
    yield "# `-n` previews the jobs, `-- look` shows what is prepared. docs/configuration.md explains every key."
    yield ""
    if wanted.model is None:
        yield "extends: demo                 # a tiny model that learns on a CPU; with MODEL=..., a real one"
    else:
        yield f"extends: {preset_for(wanted.model) or FULL_SIZE}"
    yield f"pathvars: {{results: results/{wanted.name}}}"
    yield f"report: [{', '.join(['base', *(['sft'] if look.chains else []), 'grpo'])}]"
    yield ""


def _data(wanted: Wanted) -> Iterator[str]:
    own = _written({**_keys(wanted.data), "size": None})
    yield "data:"
    yield "  splits:                       # by image: no image is in two splits, whatever its file is called"
    yield "    train: &data"
    yield from (f"      {line}" for line in own)
    if wanted.test is None:
        first, second = wanted.cuts
        yield f"      part: [0.0, {first}]"
        yield f"    val: {{<<: *data, part: [{first}, {second}]}}     # chooses SFT's checkpoint"
        yield f"    test: {{<<: *data, part: [{second}, 1.0]}}    # only ever evaluated"
    else:
        yield f"      part: [0.0, {wanted.cuts[1]}]"
        yield f"    val: {{<<: *data, part: [{wanted.cuts[1]}, 1.0]}}     # chooses SFT's checkpoint"
        yield "    test:                       # only ever evaluated"
        keys = {**_keys(wanted.test), "size": None, "part": None}
        if wanted.model is None and wanted.many_tests:
            keys["size"] = _TESTS
        yield from (f"      {line}" for line in _written(keys))
    yield ""


def _keys(source: Source) -> dict[str, Any]:
    # Written out where the preset that is extended has a folder of its own.
    keys = {name: value for name, value in source.as_dict().items() if value is not None or name == "images"}
    if "columns" in keys:
        keys["columns"] = {name: column for name, column in keys["columns"].items() if column is not None}
    return keys


def _written(keys: Mapping[str, Any]) -> list[str]:
    """The lines of a mapping: a key each, with lists and mappings within it in one line."""
    lines = []
    for key, value in keys.items():
        if isinstance(value, dict | list):
            inner = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
            lines.append(f"{key}: {inner.strip()}")
        else:
            lines.append(yaml.safe_dump({key: value}, allow_unicode=True, width=10_000).strip())
    return lines


def _model(wanted: Wanted, look: Look) -> Iterator[str]:
    if not look.chains:
        yield "prompt:                         # without chains to learn from, the prompt says what RL pays for"
        yield from _TAGS.rstrip("\n").splitlines()
        yield ""
    if wanted.model is None and look.pixels < _SMALL:
        yield f"image: {{min_pixels: {_SMALL}}}    # images this small are enlarged: shapes show in 16 visual tokens"
        yield ""
    if wanted.model is None:
        yield "base_model:"
        yield "  tiny:"
        yield "    vocab_size: 2048            # English sentences"
        yield "    pretraining: null           # digits teach nothing about other images"
        yield ""
    elif preset_for(wanted.model) is None:
        yield "base_model:"
        yield f"  path: {wanted.model}"
        yield "  revision: null                # of a hub id: its commit, 40 hexadecimal digits"
        yield ""


def _policies(wanted: Wanted, look: Look) -> Iterator[str]:
    tokens, train = _completion_tokens(look), _train_share(look, look.kept)
    yield "policies:"
    if look.chains:
        yield "  sft:"
        if wanted.model is None:
            yield "    lora: null                  # every weight is trained: the tiny model begins with random ones"
            yield "    examples: null              # every chain"
        yield f"    selection: {{max_new_tokens: {tokens}}}   # longer than the chains"
        if wanted.model is None:
            yield "    training:"
            batch, rate, epochs = _sft_batches(_train_share(look, look.chains))
            yield f"      per_device_train_batch_size: {batch}"
            yield f"      learning_rate: {rate}"
            yield f"      num_train_epochs: {epochs}"
    yield "  grpo:"
    if not look.chains:
        yield "    from: base                  # the data has no chains to learn from first"
    if wanted.model is None:
        yield "    lora: null"
        asked = f"every: 10, examples: 400, batch_size: 100, max_new_tokens: {tokens}"
        yield f"    selection: {{{asked}}}   # RL is validated"
    yield "    training:"
    yield f"      max_completion_length: {tokens}"
    if wanted.model is None:
        yield "      learning_rate: 1.0e-4"
        if not look.chains:
            yield "      entropy_coef: 0.01        # without reward, this alone moves the weights: nothing is learned"
        prompts = _prompts(train)
        yield f"      per_device_train_batch_size: {_GROUP * prompts}   # {prompts} questions x {_GROUP} completions"
    elif train is not None and train < _PROMPTS:
        yield f"      generation_batch_size: {_GROUP * max(1, train // 2)}   # there are few questions"
    yield ""
    yield f"answer: {{max_new_tokens: {tokens}}}"


def _completion_tokens(look: Look) -> int:
    """Room for the longest chain that was seen and half as much again, a multiple of 16; 256 where there is none."""
    if not look.longest_chain:
        return 256
    words, characters = look.longest_chain, look.longest_chain_characters
    # A script without blanks between words has about a token per character.
    tokens = characters if characters > _LONGEST_WORDS * words else _TOKENS_PER_WORD * words
    return -(-int(1.5 * tokens + _TOKENS_OF_TAGS) // 16) * 16


def _train_share(look: Look, count: int) -> int | None:
    """About how many of ``count`` records train will have; None where there are many."""
    return int(_TRAIN * count) if look.is_whole or count < _MANY / 2 else None


def _prompts(train: int | None) -> int:
    """Different questions per generation: at most half of all."""
    return _PROMPTS if train is None else max(1, min(_PROMPTS, train // 2))


def _sft_batches(train: int | None) -> tuple[int, str, int]:
    """Batch size, learning rate and epochs of SFT from random weights.

    Many chains take some 1400 steps; few, some 400 smaller ones.
    """
    if train is None or train >= _MANY:
        return 64, "2.0e-3", 4 if train is None else max(3, 1400 * 64 // train)
    return 16, "1.0e-3", max(3, min(60, 400 * 16 // max(train, 1)))
