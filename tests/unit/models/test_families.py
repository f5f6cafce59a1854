"""All model families go through the same code: a tiny checkpoint of each, from its base to its answers."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from PIL import Image
from safetensors import safe_open
from tiny_families import TILE, published_checkpoint
from tiny_run import (
    LOADING,
    LORA,
    MAX_PIXELS,
    MIN_PIXELS,
    PROMPT,
    TinyRun,
    alike,
    made_trainer,
    with_large_weights,
    with_several_images,
)
from trl import GRPOTrainer
from trl.trainer.utils import split_pixel_values_by_grid, unsplit_pixel_values_by_grid

from reinforced_cot.base.base_model import make_base
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.evaluation import answering
from reinforced_cot.evaluation.answer_log import AnswerLog
from reinforced_cot.files import read_json, write_json
from reinforced_cot.generation import prefill, transformers_engine
from reinforced_cot.generation.batching import opened
from reinforced_cot.generation.generate import generate
from reinforced_cot.generation.rendering import prompt_lengths, rendered_prompt
from reinforced_cot.lora.adapter import check_trainable, lora_config
from reinforced_cot.lora.merge import merge
from reinforced_cot.models.families import FAMILIES, Family, check_vllm_rollouts, family_of_checkpoint
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor, prompt_length, vision_token_ids
from reinforced_cot.models.vision_cache import use_vision_cache
from reinforced_cot.planning.model_shapes import shapes_of
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.seeds import subset
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import preflight
from reinforced_cot.training import sft as sft_stage
from reinforced_cot.training import trainer as trainer_module
from reinforced_cot.training.dynamic_sampling import joined, selected, with_tiles_counted

LANGUAGE_MODEL = {f"{name}_proj" for name in ("q", "k", "v", "o", "up", "down", "gate")}


@pytest.fixture(scope="module", params=FAMILIES)
def published(request: pytest.FixtureRequest, tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [text for example in tiny_run.examples for text in (example.question, example.chain)]
    return published_checkpoint(request.param, texts, tmp_path_factory.mktemp(request.param) / "published")


@pytest.fixture(scope="module")
def run(tiny_run: TinyRun, published: Path) -> TinyRun:
    """The tiny run on a base of this family, taken in as a user's own checkpoint is."""
    base = published.parent / "base"
    make_base(tiny_run.settings(checkpoint__path=str(published)).base, tiny_run.examples, base)
    return replace(tiny_run, base=base, sft=published.parent / "none")


@pytest.fixture(scope="module")
def family(run: TinyRun) -> Family:
    return family_of_checkpoint(run.base / "model")


@pytest.fixture(scope="module")
def processor(run: TinyRun) -> Any:
    return load_processor(run.base / "model")


def loaded(run: TinyRun, *args: Any, **loading: Any) -> Any:
    return load_model(run.base / "model", LOADING.model_copy(update=loading), *args)


def test_a_base_has_our_pixel_budget_and_the_files_of_the_stock_processor(
    run: TinyRun, family: Family, published: Path
) -> None:
    stated = read_json(run.base / "model/processor_config.json")
    if family.tiled:
        assert stated["image_processor"]["max_patches"] == MAX_PIXELS // TILE**2
        assert stated["image_seq_length"] == read_json(published / "processor_config.json")["image_seq_length"]
    else:
        assert stated["image_processor"]["size"] == {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}
    assert stated["processor_class"] == family.processor
    video = read_json(run.base / "model/video_preprocessor_config.json")
    assert (video["processor_class"], video["video_processor_type"]) == (family.processor, family.video_processor)


@pytest.mark.parametrize(
    "size", [(56, 56), (84, 56), (56, 112), (28, 28), (100, 33), (9, 160), (97, 131), (640, 480), (1, 150)]
)
def test_prompt_length_is_the_processors_own_count(run: TinyRun, processor: Any, size: tuple[int, int]) -> None:
    text = rendered_prompt(processor, replace(run.examples[0], question="What is\n\nleft of it?"), PROMPT)
    (ids,) = processor(text=[text], images=[Image.new("RGB", size)], add_special_tokens=False)["input_ids"]
    assert prompt_length(processor, text, [size]) == len(ids)


def test_prompts_of_several_images_have_the_processors_own_count(run: TinyRun, processor: Any) -> None:
    expected_prompts(with_several_images(run), processor)


def test_several_images_per_question_are_answered_alike_in_one_batch(run: TinyRun, processor: Any) -> None:
    """One to three images of several sizes, which InternVL cuts into different numbers of tiles."""
    model, several = with_large_weights(loaded(run)), with_several_images(run)
    answers = [
        generate(model, processor, several.examples[:6], several.data, PROMPT, batch_size=size, max_new_tokens=8)
        for size in (1, 6)
    ]
    assert answers[0] == answers[1] and len({answer.text for [answer] in answers[0]}) > 3


def test_rl_on_several_images_per_question_asks_the_same_prompts(run: TinyRun, processor: Any, tmp_path: Path) -> None:
    several = with_several_images(run)
    settings = several.settings().grpo
    trainer = made_trainer(grpo_stage, settings, several.examples, several.data, several.base, tmp_path / "rl", None)
    drawn = [
        trainer._generate_and_score_completions([trainer.train_dataset[start + n // 2] for n in range(4)])
        for start in range(0, 8, 2)
    ]
    rows = [row for batch in drawn for row in zip(batch["prompt_ids"], batch["prompt_mask"], strict=True)]
    assert [ids[mask.bool()].tolist() for ids, mask in rows][::2] == expected_prompts(several, processor)[:8]
    for batch in drawn:
        scored = trainer._get_per_token_logps_and_entropies(trainer.model, **as_rows(batch))[0]
        assert torch.isfinite(scored[batch["completion_mask"].bool()]).all()


def expected_prompts(run: TinyRun, processor: Any) -> list[list[int]]:
    """Each example's prompt as evaluation gives it to the model, of the length that was checked."""
    texts = [rendered_prompt(processor, example, PROMPT) for example in run.examples]
    images = [[opened(run.data / name) for name in example.images] for example in run.examples]
    prompts = [
        processor(text=[text], images=[image], add_special_tokens=False)["input_ids"][0]
        for text, image in zip(texts, images, strict=True)
    ]
    assert [len(ids) for ids in prompts] == prompt_lengths(processor, run.examples, run.data, PROMPT, 2048, 64)
    return [list(ids) for ids in prompts]


def sft_prompts(trainer: Any) -> list[list[int]]:
    """The prompts in SFT's rows: the part without a loss, before the completion."""
    prompts = []
    end = trainer.processing_class.tokenizer.eos_token_id
    for i in range(len(trainer.train_dataset)):
        batch = trainer.data_collator([trainer.train_dataset[i]])
        (ids,), (labels,) = batch["input_ids"], batch["labels"]
        learned = labels != -100
        assert ids[learned][-1] == end and not torch.isin(ids[learned], trainer.model.config.image_token_id).any()
        prompts.append(ids[: int(learned.nonzero()[0])].tolist())
    return prompts


def bias_to_vision(model: Any, processor: Any) -> Any:
    """Make the policy want a visual token at every position."""
    bias = torch.zeros(model.config.get_text_config().vocab_size)
    bias[vision_token_ids(processor)] = 20.0
    model.lm_head.register_forward_hook(lambda module, inputs, output: output + bias)
    return model


def adapted_modules(policy: Path) -> set[str]:
    with safe_open(policy / "adapter/adapter_model.safetensors", "pt") as file:
        return {name.removeprefix("base_model.model.").split(".lora_")[0] for name in file.keys()}  # noqa: SIM118


def test_from_base_to_answers(run: TinyRun, family: Family, processor: Any, tmp_path: Path) -> None:
    """SFT, merge, RL and evaluation: the same prompt in each, and no visual token is ever drawn."""
    examples, data = run.examples, run.data
    settings = run.settings(
        grpo__rewards={"letters": 1.0}, grpo__examples=6, answer__samples=2, answer__direct=True, answer__probes=2
    )
    sft, grpo = tmp_path / "sft", tmp_path / "grpo"
    trainers: list[Any] = []
    prompts: list[list[int]] = []
    drawn: list[list[int]] = []

    def letter_reward(completions: Any, completion_ids: Any, **columns: Any) -> list[float]:
        drawn.extend(completion_ids)
        return [sum(letter in "aeiou0123" for letter in messages[0]["content"]) / 8 for messages in completions]

    class RecordingTrainer(grpo_stage.ResumableGRPOTrainer):
        def _tokenize_prompts(self, conversations: Any) -> Any:
            tokenized = super()._tokenize_prompts(conversations)
            prompts.extend(tokenized[0])
            return tokenized

    def biased(*args: Any) -> Any:
        return bias_to_vision(load_model(*args), processor)

    def recorded(trainer: Any, *args: Any) -> None:
        trainers.append(trainer)
        trainer_module.run(trainer, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sft_stage, "run", recorded)
        sft_stage.train(settings.sft, examples, examples[10:15], data, run.base, sft, None)
    expected = expected_prompts(run, processor)
    assert sft_prompts(trainers[0]) == expected
    assert adapted_modules(sft) and not any(family.is_vision(name) for name in adapted_modules(sft))

    merge(settings.merge, run.base, sft)
    assert read_json(sft / "merge.json")["adapter_vs_saved"] <= 1e-4
    assert load_processor(sft / "model").image_processor.to_dict() == processor.image_processor.to_dict()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpo_stage, "ResumableGRPOTrainer", RecordingTrainer)
        patch.setitem(REWARDS, "letters", letter_reward)
        patch.setattr(preflight, "load_model", biased)
        grpo_stage.train(settings.grpo, examples, data, sft, grpo, None)
    assert not any(family.is_vision(name) for name in adapted_modules(grpo))
    chosen = {example.id for example in subset(examples, 6, settings.grpo.seed)}
    allowed = [ids for ids, example in zip(expected, examples, strict=True) if example.id in chosen]
    assert prompts and all(list(ids) in allowed for ids in prompts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers_engine, "load_model", biased)
        (tmp_path / "log").mkdir()
        log = AnswerLog(tmp_path / "log")
        answering.answer(settings.answer, examples[:4], data, sft / "model", log)
    rows = answering.collect(settings.answer, examples[:4], log)
    # A text of visual tokens alone would be empty.
    assert len(rows) == 4 and all(row["prediction_raw"] and row["direct_raw"] for row in rows)
    assert len(drawn) == 2 * 4 and all(drawn)
    assert not {id for ids in drawn for id in ids} & set(vision_token_ids(processor))


def test_visual_tokens_are_those_of_the_models_config(run: TinyRun, processor: Any) -> None:
    banned = set(vision_token_ids(processor))
    config = read_json(run.base / "model/config.json")
    named = [value for key, value in config.items() if re.fullmatch(r"(image|video|vision_\w+)_token_id", key)]
    assert set(named) <= banned and config["image_token_id"] in banned
    assert set(processor.image_token_ids) <= banned
    text = rendered_prompt(processor, run.examples[0], PROMPT)
    ids = processor(text=[text], images=[Image.new("RGB", (56, 56))])["input_ids"][0]
    special = {id for id, token in processor.tokenizer.added_tokens_decoder.items() if token.special}
    turns = set(processor.tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]))
    assert banned >= (set(ids) & special) - turns  # all that the processor and the template write for an image


def test_only_the_language_model_is_quantized(run: TinyRun, family: Family) -> None:
    model = loaded(run)
    names = [name for name, _ in model.named_modules()]
    assert all(any(re.match(pattern, name) for name in names) for pattern in family.not_quantized)
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    language = {name for name in linear if "language_model" in name}
    assert {name.rpartition(".")[-1] for name in language} == LANGUAGE_MODEL
    assert {name for name in linear if family.is_vision(name)} == linear - language - {"lm_head"}
    quantized = loaded(run, "nf4", dtype="bfloat16")
    assert {name for name, module in quantized.named_modules() if type(module).__name__ == "Linear4bit"} == language


def adapted(run: TinyRun, **lora: Any) -> set[str]:
    model = loaded(run)
    with_adapter = get_peft_model(model, lora_config({**LORA, **lora}, model))
    return {
        name.removeprefix("base_model.model.").split(".lora_A")[0]
        for name, _ in with_adapter.named_parameters()
        if "lora_A" in name
    }


def test_names_of_target_modules_mean_the_language_model(run: TinyRun, family: Family) -> None:
    """Vision towers may have modules of the same names: InternVL's has a q_proj, too."""
    assert {name.rpartition(".")[-1] for name in adapted(run)} == {"q_proj", "k_proj", "v_proj"}
    assert all("language_model" in name for name in adapted(run))
    model = loaded(run)
    counted = shapes_of(run.base / "model", LOADING, LORA).adapter
    assert counted == check_trainable(get_peft_model(model, lora_config(LORA, model)))


def test_the_vision_tower_is_adapted_if_the_settings_say_so(run: TinyRun, family: Family) -> None:
    everything = adapted(run, target_modules="all-linear")
    assert any(family.is_vision(name) for name in everything)
    tower_alone = "projection_layer" if family.tiled else "attn.qkv"
    named = adapted(run, target_modules=[tower_alone, "q_proj"])
    assert {name.rpartition(".")[-1] for name in named} == {tower_alone.rpartition(".")[-1], "q_proj"}
    assert all(family.is_vision(name) != name.endswith("q_proj") for name in named)
    either = adapted(run, exclude_modules=None)
    assert any(family.is_vision(name) for name in either) == family.tiled
    assert adapted(run, exclude_modules=["layers.0.self_attn.q_proj"]) < either


UNKNOWN = (
    r"is a model of type llava_next, which is not supported; use one of Qwen2-VL \(qwen2_vl\), Qwen2\.5-VL "
    r"\(qwen2_5_vl\), Qwen3-VL \(qwen3_vl\), InternVL \(internvl\)"
)


def test_an_unknown_family_is_refused_before_a_model_is_loaded(tiny_run: TinyRun, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write_json(source / "config.json", {"model_type": "llava_next"})
    with pytest.raises(DataError, match=rf"source {UNKNOWN}"):
        make_base(tiny_run.settings(checkpoint__path=str(source)).base, tiny_run.examples, tmp_path / "base")
    with pytest.raises(DataError, match=rf"source {UNKNOWN}"):
        load_processor(source)
    assert list((tmp_path / "base").iterdir()) == []


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"has no config\.json that can be read|is a model of type None"):
        family_of_checkpoint(tmp_path)


def test_rollouts_by_vllm_are_refused_where_they_are_not_known_to_be_right(
    run: TinyRun, family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    if family.vllm_rollouts:
        check_vllm_rollouts(family)
        return
    monkeypatch.setattr(preflight, "load_model", fails_if_called)
    settings = run.settings(grpo__training__use_vllm=True).grpo
    with pytest.raises(PipelineError, match=r"`policies\.\*\.training\.use_vllm` is true; .* and the base is InternVL"):
        grpo_stage.train(settings, run.examples, run.data, run.base, tmp_path, None)


def test_shared_prompts_give_the_log_probabilities_of_separate_rows(
    run: TinyRun, family: Family, tmp_path: Path
) -> None:
    """Rows that TRL sampled. Qwen3-VL's image features enter several layers. InternVL's rows stay separate."""
    trainer = made_trainer(grpo_stage, run.settings().grpo, run.examples, run.data, run.base, tmp_path, None)
    rows = as_rows(trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader()))))
    calls = count_calls(trainer.model)
    expected, _, _ = GRPOTrainer._get_per_token_logps_and_entropies(trainer, trainer.model, **rows)
    separate = calls.pop()
    shared, _, _ = trainer._get_per_token_logps_and_entropies(trainer.model, **rows)
    assert torch.allclose(shared, expected, atol=1e-5) and expected.abs().sum() > 0
    assert (calls.pop() < separate) == (not family.tiled)


@pytest.mark.parametrize("numbers", [(0, 1, 2, 5), (2, 5, 0, 1), (0, 2, 1, 5), (2, 5, 8, 11)])
def test_rows_of_two_generations_keep_their_images(
    run: TinyRun, family: Family, tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    """Joined as refilling does it: an image is a stretch of patches, or for InternVL one tile or several."""
    data = tmp_path / "data"
    shutil.copytree(run.data, data)
    for number in range(2, 12, 3):
        Image.new("RGB", (TILE, TILE), (20 * number, 0, 99)).save(data / run.examples[number].images[0])
    trainer = made_trainer(grpo_stage, run.settings().grpo, run.examples, data, run.base, tmp_path / "rl", None)
    questions = [trainer.train_dataset[number] for number in numbers for _ in range(2)]
    drawn = [trainer._generate_and_score_completions(questions[start : start + 4]) for start in (0, 4)]
    single = [all(number % 3 == 2 for number in numbers[start : start + 2]) for start in (0, 2)]
    # Where each image is one tile, TRL does not say how many a row has.
    assert ["num_tiles" in batch for batch in drawn] == [family.tiled and not one_each for one_each in single]
    first, second = map(split_pixel_values_by_grid, with_tiles_counted(*drawn))
    both = joined(first, second, trainer.processing_class.tokenizer.pad_token_id)
    joined_rows = unsplit_pixel_values_by_grid(selected(both, [3, 0], 2))
    scored = [
        trainer._get_per_token_logps_and_entropies(trainer.model, **as_rows(batch))[0][batch["completion_mask"].bool()]
        for batch in (*drawn, joined_rows)
    ]
    lengths = [batch["completion_mask"].sum(dim=1) for batch in drawn]
    expected = torch.cat([scored[1][lengths[1][:2].sum() :], scored[0][: lengths[0][:2].sum()]])
    assert torch.allclose(scored[2], expected, atol=1e-5) and len(expected)


def as_rows(drawn: dict[str, Any]) -> dict[str, Any]:
    """The arguments of TRL's passes for one of its batches."""
    names = ("pixel_values", "image_grid_thw", "num_images", "num_tiles", "mm_token_type_ids", "token_type_ids")
    return {
        "input_ids": torch.cat([drawn["prompt_ids"], drawn["completion_ids"]], dim=1),
        "attention_mask": torch.cat([drawn["prompt_mask"], drawn["completion_mask"]], dim=1),
        "logits_to_keep": drawn["completion_ids"].shape[1],
        **{name: drawn.get(name) for name in names},
    }


def count_calls(model: Any) -> list[int]:
    """How many rows each call of a model gets, in the order of the calls."""
    rows: list[int] = []
    model.register_forward_pre_hook(
        lambda module, inputs, options: rows.append(len(options["input_ids"])), with_kwargs=True
    )
    return rows


def test_image_features_are_kept_where_they_can_be(
    run: TinyRun, family: Family, processor: Any, tmp_path: Path
) -> None:
    """Qwen3-VL's enter several layers; InternVL's tiles are computed each time."""
    texts = [rendered_prompt(processor, example, PROMPT) for example in run.examples[:3]]
    images = [opened(run.data / example.images[0]) for example in run.examples[:3]]
    inputs = processor(text=texts, images=images, padding=True, return_tensors="pt")
    model = loaded(run).requires_grad_(False)
    expected = model(**inputs).logits
    use_vision_cache(model, tmp_path, LOADING)
    for _ in range(2):  # computed, then looked up
        assert torch.allclose(model(**inputs).logits, expected, atol=1e-5)
    assert len(list(tmp_path.glob("*/*.safetensors"))) == (0 if family.tiled else 3)


def test_padding_changes_no_answer(run: TinyRun, processor: Any) -> None:  # trl#5785
    """The prompt is computed apart from its completion: both must count positions alike."""
    model = with_large_weights(loaded(run))
    answers = [
        generate(model, processor, run.examples[:6], run.data, PROMPT, batch_size=size, max_new_tokens=8)
        for size in (1, 6)
    ]
    assert answers[0] == answers[1] and len({answer.text for [answer] in answers[0]}) > 3


def test_prompts_in_one_row_give_the_keys_of_separate_rows(
    run: TinyRun, family: Family, processor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three questions about one image, and one about another."""
    model = with_large_weights(loaded(run))
    asked = [replace(run.examples[0], question=run.examples[number].question) for number in range(3)]
    asked.append(run.examples[4])
    inputs = processor(
        text=[rendered_prompt(processor, example, PROMPT) for example in asked],
        images=[opened(run.data / example.images[0]) for example in asked],
        **{"padding": True, "padding_side": "left", "add_special_tokens": False, "return_tensors": "pt"},
    )
    index, passes = torch.tensor([3, 0, 1, 2, 0]), []
    hook = model.lm_head.register_forward_hook(lambda module, inputs, output: passes.append(len(output)))
    prefills = [prefill.prefilled(model, inputs, index)]
    monkeypatch.setattr(prefill, "no_trees", lambda backbone: "told so")
    prefills.append(prefill.prefilled(model, inputs, index))
    hook.remove()
    assert passes == [4 if family.tiled else 1, 4]
    (packed, packed_deltas), (stock, stock_deltas) = prefills
    assert family.tiled or torch.equal(packed_deltas, stock_deltas)
    assert alike(packed, stock, inputs["attention_mask"][index, :-1].bool())
