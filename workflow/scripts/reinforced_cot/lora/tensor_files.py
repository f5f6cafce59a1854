"""The safetensors files of a checkpoint, read and written one tensor at a time."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json

INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16"}  # the format's names of dtypes


@dataclass(frozen=True)
class Place:
    """Where a tensor is stored."""

    file: Path
    key: str

    def read(self) -> torch.Tensor:
        """The tensor, mapped into memory: its pages are read when they are touched, and freed with the tensor.

        The file is opened for each tensor: all pages read through an open file count as memory until it is closed.
        """
        with safe_open(self.file, "pt") as file:
            tensor: torch.Tensor = file.get_tensor(self.key)
        return tensor


def places_in(folder: Path) -> dict[str, Place]:
    """Every tensor of a checkpoint folder by its key. The folder has one file, or those that its index names.

    Raises:
        DataError: there is neither a file nor an index, or a file that the index names is missing.
    """
    index = folder / INDEX
    names = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else [_SINGLE]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}: it is no complete checkpoint in safetensors")
    return {key: place for name in names for key, place in places_of(folder / name).items()}


def places_of(file: Path) -> dict[str, Place]:
    """Every tensor of one file by its key."""
    with safe_open(file, "pt") as opened:
        return {key: Place(file, key) for key in opened.keys()}  # noqa: SIM118


def bytes_as(folder: Path, dtype: torch.dtype) -> int:
    """Bytes of a checkpoint's tensors, those that are floating point in ``dtype``."""
    total = 0
    for file in {place.file for place in places_in(folder).values()}:
        with safe_open(file, "pt") as opened:
            for key in opened.keys():  # noqa: SIM118
                tensor = opened.get_tensor(key)
                total += tensor.numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.itemsize)
    return total


def write_like(path: Path, like: Path, dtype: torch.dtype, value: Callable[[str], Iterable[torch.Tensor]]) -> int:
    """Write a file with the keys and shapes of another file, one piece of a tensor after the other.

    Args:
        like: the other file.
        dtype: of the tensors that are floating point in the other file; all others keep their dtype.
        value: returns the tensor of a key, whole or cut into pieces along its first axis; they are cast here.

    Returns:
        Size of all tensors in bytes.
    """
    described = {}
    with safe_open(like, "pt") as file:
        for key in file.keys():  # noqa: SIM118
            tensor = file.get_tensor(key)
            kept = tensor if not tensor.is_floating_point() else tensor.to("meta", dtype)
            described[key] = (_NAMES.get(kept.dtype) or file.get_slice(key).get_dtype(), kept.to("meta"))
    # Those of the widest dtype first, so that each tensor starts at a multiple of its element size.
    ordered = dict(sorted(described.items(), key=lambda item: (-item[1][1].itemsize, item[0])))
    with open(path, "wb") as out:
        out.write(_header(ordered))
        for key, (_, kept) in ordered.items():
            for part in value(key):
                out.write(part.to(kept.dtype).contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sum(kept.nbytes for _, kept in ordered.values())


def _header(described: Mapping[str, tuple[str, torch.Tensor]]) -> bytes:
    """The beginning of a safetensors file: the header's length in 8 bytes, then each tensor's place as JSON."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for key, (name, tensor) in described.items():
        start, end = end, end + tensor.nbytes
        header[key] = {"dtype": name, "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
