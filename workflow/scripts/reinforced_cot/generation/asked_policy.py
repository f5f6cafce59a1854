"""A policy of a run that can be asked about images of one's own, found before torch is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from reinforced_cot.data.image_places import PLACE, place_count
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.data.text_cleaning import canonical, find_special_token
from reinforced_cot.errors import DataError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.stage_script import read_settings


@dataclass(frozen=True)
class AskedPolicy:
    """A policy, and how it is asked.

    Attributes:
        model: ``results/{policy}/model``.
        settings: as of the stage ``answer``.
        budget: the area of an image in the run.
    """

    model: Path
    settings: AnswerSettings
    budget: PixelBudget


def asked_policy(folder: Path) -> AskedPolicy:
    """The policy in ``results/{policy}``.

    Raises:
        DataError: it has no model, or no settings file says how it is asked.
    """
    if not (folder / "model").is_dir():
        known = policies_with_model(folder.parent)
        raise DataError(f"{folder} holds no model/; policies with a model: {', '.join(known) or 'none yet'}")
    return AskedPolicy(folder / "model", read_settings(_answer_settings(folder), AnswerSettings), _pixel_budget(folder))


def policies_with_model(results: Path) -> list[str]:
    """The policies of a run that can be asked, each behind the one that it was trained from."""
    names = sorted(folder.parent.name for folder in results.glob("*/model") if folder.is_dir())
    return sorted(names, key=lambda name: len(_line_of(results, name)))


def checked_question(text: str, images: int) -> str:
    """A question in the form that prepared ones have.

    Args:
        images: how many images it is about.

    Raises:
        DataError: there is no image or no question, its places do not fit the images, or it holds a special token.
    """
    question = canonical(text)
    if not images or not question.replace(PLACE, "").strip():
        raise DataError("there is no image, or no question")
    if (places := place_count(question)) not in (0, images):
        raise DataError(f"the question has {places} places {PLACE}, and {images} images are given")
    if token := find_special_token(question.replace(PLACE, "")):
        raise DataError(f"the question holds {token}, which models read as a control token: leave it out")
    return question


def _answer_settings(folder: Path) -> Path:
    """The file that says how a policy is asked: its own, or that of another policy of the same run; all are alike."""
    own = folder / "answer.yaml"
    return next((file for file in [own, *sorted(folder.parent.glob("*/answer.yaml"))] if file.is_file()), own)


def _pixel_budget(folder: Path) -> PixelBudget:
    """The area of images in the run of a policy, by its prepared test split; the default where there is none."""
    file = folder.parent / "data" / "test.yaml"
    if not file.is_file():
        return PixelBudget()
    return PixelBudget.model_validate(yaml.safe_load(file.read_text(encoding="utf-8"))["image"])


def _line_of(results: Path, name: str) -> Sequence[str]:
    """A policy behind those that it was trained from, as the run's settings files say."""
    line = [name]
    while (file := results / line[-1] / "train.yaml").is_file():
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        policy = settings.get("policy") if isinstance(settings, dict) else None
        origin = policy.get("from") if isinstance(policy, dict) else None
        if not isinstance(origin, str) or origin in line:
            break
        line.append(origin)
    return line
