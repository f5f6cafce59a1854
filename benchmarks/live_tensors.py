"""The largest number of bytes that tensors hold at one time."""

import weakref
from collections.abc import Callable
from typing import Any, Self

import torch
from torch.nn.attention.bias import CausalBias
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):
    """Counts within its block the bytes of all tensors that an operator has read or made and that are still alive.

    Every storage counts once, with its whole size, also one that maps a file. What a kernel holds while it runs is not
    seen. Resident memory would also show pages that the C library keeps for the next tensor.

    Attributes:
        peak: in bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._live: dict[int, int] = {}
        self._sum = 0

    def __enter__(self) -> Self:
        CausalBias.__new__ = _new_bias
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        del CausalBias.__new__

    def __torch_dispatch__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, kwargs, result)):
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "meta":
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._live:
            weakref.finalize(storage, self._forget, key)
            self._live[key] = 0
        self._sum += size - self._live[key]
        self._live[key] = size
        self.peak = max(self.peak, self._sum)

    def _forget(self, key: int) -> None:
        self._sum -= self._live.pop(key)


def _new_bias(cls: type[CausalBias], *args: Any) -> CausalBias:
    """A bias as its class makes it, out of sight: an empty tensor that a mode has seen can get no class of its own."""
    with _disable_current_modes():
        return torch.Tensor.__new__(cls)
