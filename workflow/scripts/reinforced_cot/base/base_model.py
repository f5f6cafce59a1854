"""The base policy's checkpoint: a published model laid out as a folder, or a tiny one built from scratch."""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reinforced_cot.base.chat_template import check_chat_template
from reinforced_cot.base.published import published_folder
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError
from reinforced_cot.files import new_folder, write_text
from reinforced_cot.manifests import checkpoint_files, write_manifest
from reinforced_cot.models.checkpoints import refuse_pickles
from reinforced_cot.models.families import family_of_checkpoint
from reinforced_cot.models.model_cards import base_card, published_facts
from reinforced_cot.models.processors import load_processor, set_pixel_budget
from reinforced_cot.models.settings import BaseSettings, TinyModel

log = logging.getLogger(__name__)

# Older names of files that `save_pretrained` writes. Some readers would take a wrong pixel budget from them.
_LEGACY_PROCESSOR_FILES = ("preprocessor_config.json", "chat_template.json")


def make_base(settings: BaseSettings, train: Sequence[Example], output: Path) -> None:
    """Write ``{output}/model`` and its manifest ``{output}/model.json``.

    Args:
        train: the training split; a tiny model's tokenizer is trained on its texts.
        output: ``results/base``.

    Raises:
        DataError: the checkpoint cannot be downloaded or is incomplete, its family is unknown, its weights are pickles,
            or its chat template writes another text than SFT means to teach.
    """
    base_model = settings.base_model
    model = output / "model"
    with new_folder(model) as folder:
        known: dict[str, Any] = {}
        if base_model.path is None:
            facts = {
                "source": "built from its config",
                "revision": None,
                "pretraining": _build_tiny(settings, train, folder),
            }
        else:
            facts, known = _lay_out(settings, folder)
        write_text(folder / "README.md", base_card(facts, known))
    write_manifest(model, output / "model.json", **facts)


def _lay_out(settings: BaseSettings, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Copy the small files of a hub or local checkpoint, link its weight shards, save the pixel budget.

    Returns:
        Where it is from, and what its own card says (`published_facts`).
    """
    base_model, image = settings.base_model, settings.image
    path, revision = base_model.path or "", base_model.revision
    source = published_folder(base_model)
    family_of_checkpoint(source)  # raises if the family is unknown
    refuse_pickles(source)
    if not list(source.glob("*.safetensors")):
        raise DataError(f"{source} has no *.safetensors: base_model.path must name a complete checkpoint")
    for file in checkpoint_files(source):
        if file.suffix == ".safetensors":
            os.symlink(file.resolve(), folder / file.name)
        else:
            shutil.copyfile(file, folder / file.name)
    processor = load_processor(folder, trust_remote_code=base_model.trust_remote_code)
    check_chat_template(processor, path)
    set_pixel_budget(processor, image.min_pixels, image.max_pixels)
    processor.save_pretrained(folder)
    for name in _LEGACY_PROCESSOR_FILES:
        (folder / name).unlink(missing_ok=True)
    return {"source": path, "revision": revision}, published_facts(source)


def _build_tiny(settings: BaseSettings, train: Sequence[Example], folder: Path) -> dict[str, Any] | None:
    """Build a tokenizer from the training texts and a model from its config; pretrain it unless that is null.

    Returns:
        What `tiny_pretraining.pretrain` says of the pretraining; None without it.
    """
    from reinforced_cot.base import tiny_model

    tiny, seed, image = settings.base_model.tiny or TinyModel(), settings.seed, settings.image
    texts = [
        text
        for example in train
        for text in (example.question_text, completion_text(example.chain, example.taught_answer))
    ]
    pretraining = tiny.pretraining
    if pretraining:
        from reinforced_cot.base.tiny_pretraining import CAPTION_PROMPT, draw_scenes, pretrain

        learned, held_out = draw_scenes(pretraining, seed)
        texts += [CAPTION_PROMPT, *(scene.caption() for scene in learned.scenes)]
    tokenizer = tiny_model.build_tokenizer(texts, tiny.vocab_size)
    processor = tiny_model.build_processor(tokenizer, image.min_pixels, image.max_pixels)
    model = tiny_model.build_model(tokenizer, tiny.architecture, seed)
    log.info("tiny model: %d parameters, %d tokens", model.num_parameters(), len(tokenizer))
    figures = pretrain(model, processor, learned, held_out, pretraining, seed) if pretraining else None
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return figures
