"""A cache on disk for the image features of a frozen vision tower: each image is computed once.

Policies differ only in their language model, so that epochs of SFT, passes of RL and evaluations of all policies share
features. The path of a file contains hashes of all that its content depends on: the image as the processor prepared it,
the tower's weights and dtype, and the software and the device that compute. The tower computes without autocast, under
which passes of training run and rollouts do not: both share one file per image.
"""

import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from reinforced_cot.models.loading import backbone_of
from reinforced_cot.models.settings import Loading
from reinforced_cot.models.transformers_hooks import attention_of
from reinforced_cot.switches import is_on

log = logging.getLogger(__name__)

VISION_CACHE = "vision_cache"  # the cache's folder, beside those of the policies
POOLED = "pooled"  # features that enter the language model in place of an image's tokens
CHECKSUM = "crc32"  # in the header of a file
DEEPSTACK = "deepstack"  # features that Qwen3-VL adds in some layers of its language model, numbered
_COUNTED_ANEW = 0.01  # a process that has written this share of the bound looks what others have written


def use_vision_cache(model: PreTrainedModel, folder: Path, loading: Loading, sharded: bool = False) -> None:
    """Let a model look up an image's features before its tower computes them.

    Args:
        model: its tower must not be trained from now on.
        folder: of the cache; several processes and several models may share it.
        loading: whether features are kept, and how many GiB of them.
        sharded: the tower's weights are split over processes, so that all of them must compute together.

    Raises:
        PipelineError: ``vision_cache`` is ``on``, and the features cannot be kept.
    """
    backbone = backbone_of(model)
    if is_on("base_model.vision_cache", loading.vision_cache, _unsupported(backbone, sharded)):
        room = _Room(folder, loading.vision_cache_gib)
        backbone.get_image_features = _CachedFeatures(backbone, folder, room)


class _Room:
    """How much may still be written to the cache. What is in it stays, and images beyond the bound are computed each
    time: epochs ask for all images in turn, so that the files that made room for others would be asked for next.
    """

    def __init__(self, folder: Path, gib: float) -> None:
        self._folder, self._gib = folder, gib
        self._left = self._uncounted = 0.0

    def takes(self, size: int) -> bool:
        """Whether a file of ``size`` bytes still has room, which it then takes."""
        if self._left < size or self._uncounted < size:
            self._left = self._gib * 2**30 - self._size()
            self._uncounted = max(size, _COUNTED_ANEW * self._gib * 2**30)
        self._left -= size
        self._uncounted -= size
        return self._left >= 0

    def full(self) -> str:
        """The message that the bound is reached."""
        return (
            f"{self._folder} holds the {self._gib:g} GiB that base_model.vision_cache_gib allows: the features of "
            "further images are computed each time. Folders in it that no run uses any more (another tower, dtype, "
            "device or version of torch) may be deleted"
        )

    def _size(self) -> int:
        """Bytes of all files in the cache, also those that other processes are writing."""
        size = 0
        for file in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):  # it has just been renamed
                size += file.stat().st_size
        return size


class _CachedFeatures:
    """Replaces a backbone's ``get_image_features``. It computes image by image: no file depends on a batch."""

    def __init__(self, backbone: Any, folder: Path, room: _Room) -> None:
        self._compute: Callable[..., Any] = backbone.get_image_features
        self._tower, self._cache, self._room = backbone.visual, folder, room

    @cached_property
    def _folder(self) -> Path:
        """The tower's folder, known at the first call: only then does the tower have its final device and dtype."""
        return self._cache / tower_hash(self._tower)

    @torch.no_grad()
    def __call__(self, pixel_values: torch.Tensor, image_grid_thw: torch.Tensor, **options: Any) -> Any:
        patches = pixel_values.split(image_grid_thw.prod(dim=-1).tolist())
        names = [f"{key}.safetensors" for key in fingerprints(patches, image_grid_thw)]
        images: list[dict[str, torch.Tensor]] = []
        for name, image_patches, grid in zip(names, patches, image_grid_thw, strict=True):
            features = self._read(name)
            if features is None:
                with torch.autocast(pixel_values.device.type, enabled=False):
                    outputs = self._compute(image_patches, grid[None], **options)
                features = {POOLED: outputs.pooler_output[0]}
                deepstack = enumerate(getattr(outputs, "deepstack_features", None) or [])
                features |= {f"{DEEPSTACK}_{number}": layer for number, layer in deepstack}
                self._write(name, features)
            images.append({part: feature.to(pixel_values.device) for part, feature in features.items()})
        return self._outputs(images)

    def _outputs(self, images: Sequence[dict[str, torch.Tensor]]) -> BaseModelOutputWithPooling:
        """Features as the backbone returns them: one tensor per image; per inner layer, one over all images."""
        pooled = tuple(image[POOLED] for image in images)
        inner = sorted((part for part in images[0] if part != POOLED), key=lambda part: int(part.split("_")[1]))
        if not inner:
            return BaseModelOutputWithPooling(pooler_output=pooled)
        layers = [torch.cat([image[part] for image in images]) for part in inner]
        return BaseModelOutputWithDeepstackFeatures(pooler_output=pooled, deepstack_features=layers)

    def _read(self, name: str) -> dict[str, torch.Tensor] | None:
        """Features from a file, mapped into memory; None if it is missing or damaged, so that it is written again."""
        try:
            with safe_open(self._folder / name, "pt") as file:
                features = {part: file.get_tensor(part) for part in file.keys()}  # noqa: SIM118, it is no dictionary
                recorded = (file.metadata() or {}).get(CHECKSUM)
        except (OSError, SafetensorError):
            return None
        return features if recorded == _checksum(name, features) else None

    def _write(self, name: str, features: dict[str, torch.Tensor]) -> None:
        if not self._room.takes(sum(feature.nbytes for feature in features.values())):
            self._keep_no_more(self._room.full())
            return
        part = self._folder / f"{name}.{uuid4().hex}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)  # each time: a user may delete it during a run
            saved = {key: feature.cpu().contiguous() for key, feature in features.items()}
            save_file(saved, part, {CHECKSUM: _checksum(name, saved)})
            part.replace(self._folder / name)
        except (OSError, SafetensorError) as error:  # a full disk, for example: the run must go on
            part.unlink(missing_ok=True)
            self._keep_no_more(f"image features are no longer kept in {self._folder}: {error}")

    def _keep_no_more(self, reason: str) -> None:
        log.warning(reason)
        self._write = lambda *_: None  # type: ignore[method-assign]


def _checksum(name: str, features: Mapping[str, torch.Tensor]) -> str:
    """A checksum of a file's features and of its name: the features of another image are damage, too."""
    checksum = zlib.crc32(name.encode())
    for part, feature in sorted(features.items()):
        checksum = zlib.crc32(f"{part} {feature.dtype} {tuple(feature.shape)}".encode(), checksum)
        checksum = zlib.crc32(feature.flatten().view(torch.uint8).numpy(), checksum)
    return f"{checksum:08x}"


def fingerprints(images: Sequence[torch.Tensor], grids: torch.Tensor) -> list[str]:
    """A key of 128 bits for each image, computed on the image's device: a GPU sends back the keys alone.

    A key is two linear hashes of all bits of the image with random odd weights. Two different images have the same key
    with probability 2^-64 or less, unless somebody constructs them to.

    Args:
        images: patches of each, float, shape ``(patches, features)``.
        grids: shape ``(images, 3)``.
    """
    columns, rows = (_weights(size).to(grids.device) for size in (images[0].shape[1], max(map(len, images))))
    hashes = []
    for image in images:
        bits = image.float().contiguous().view(torch.int32).long()
        by_patch = torch.stack([(bits * weights).sum(dim=1) for weights in columns])
        hashes.append((by_patch * rows[:, : len(image)]).sum(dim=1))
    keys = torch.stack(hashes).tolist()
    shapes = ["x".join(map(str, grid)) for grid in grids.tolist()]
    return [
        f"{shape}_{'_'.join(f'{part & (2**64 - 1):016x}' for part in key)}"
        for shape, key in zip(shapes, keys, strict=True)
    ]


def _weights(count: int) -> torch.Tensor:
    """Random odd numbers, shape ``(2, count)``. A larger count adds numbers, and leaves the first ones as they are."""
    draw = torch.Generator().manual_seed(0)
    return torch.randint(-(2**62), 2**62, (count, 2), generator=draw).mul(2).add(1).T


def tower_hash(tower: Any) -> str:
    """Hash of all that features depend on beside the image: the weights, their dtype, the software and the device."""
    weights = next(tower.parameters())
    digest = hashlib.sha256()
    config = {key: value for key, value in tower.config.to_dict().items() if not key.startswith("_")}
    device = torch.cuda.get_device_name(weights.device) if weights.is_cuda else weights.device.type
    setup = {
        **{"config": config, "attention": attention_of(tower.config), "device": device},
        **{"torch": torch.__version__, "transformers": transformers.__version__},
        "tf32": torch.backends.cuda.matmul.allow_tf32,
    }
    digest.update(json.dumps(setup, sort_keys=True, default=str).encode())
    for name, weight in tower.state_dict().items():
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:32]


def _unsupported(backbone: Any, sharded: bool) -> str | None:
    """Why a model's features cannot be kept, or None."""
    tower = getattr(backbone, "visual", None)
    if tower is None or not hasattr(tower, "spatial_merge_size"):
        return f"{type(backbone).__name__} takes images as tiles"
    if any(weight.requires_grad for weight in tower.parameters()):
        return "the vision tower is trained"
    return "its weights are split over processes" if sharded else None
