"""A device that is not this machine's: its tensors compute on the CPU, but behave as those of another device.

They are wrappers that say they lie on torch's `meta` device, because autograd runs there without a driver. As on a real
one `.numpy()` is refused, a tensor of the CPU may join only if it has no dimension, indexes or is copied, and random
numbers come from the device's own generator. As on Apple's GPUs there is no float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

FAR = torch.device("meta")


@contextmanager
def pretended_device() -> Iterator[torch.device]:
    """Within, `FAR` has memory of its own."""
    with _Functions(), _Operations():
        yield FAR


class _FarTensor(Tensor):
    """`near` holds its values, on the CPU."""

    near: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, near: Tensor) -> _FarTensor:
        made: _FarTensor = torch.Tensor._make_wrapper_subclass(
            cls, near.size(), near.stride(), near.storage_offset(), dtype=near.dtype, device=FAR
        )
        made.near = near
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Operations(TorchDispatchMode):
    """What torch computes, and what it makes from nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What does not come by there: values that leave torch, and values of Python that enter it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is Tensor.tolist and isinstance(args[0], _FarTensor):
            return args[0].near.tolist()
        if func in (torch.tensor, torch.as_tensor):
            device = given.pop("device", None)
            made = func(*args, **given)
            return made if device is None else made.to(device)
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            listed = tuple(torch.tensor(list(one)) if isinstance(one, list | range) else one for one in index)
            args = (args[0], listed, *args[2:])
        return func(*args, **given)


def _computed(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    name, given = str(func), dict(kwargs)
    tensors = [leaf for leaf in tree_leaves((args, given)) if isinstance(leaf, Tensor)]
    assert not any(tensor.device == FAR and type(tensor) is Tensor for tensor in tensors), f"{name} lost its values"
    far = any(isinstance(tensor, _FarTensor) for tensor in tensors)
    copied = name.startswith(("aten.copy_.", "aten._to_copy."))
    if far and not copied:
        _check_together(name, args, tensors)
    if given.get("device") is not None:
        far = torch.device(given["device"]) == FAR
        given["device"] = "cpu"
    elif copied:
        far = isinstance(args[0], _FarTensor)
    if far and given.get("generator") is not None:
        raise RuntimeError(f"{name}: expected a generator of {FAR}, found one of the CPU")
    found = func(*tree_map(_near, args), **tree_map(_near, given))
    if not far or name == "aten._local_scalar_dense.default":
        return found
    return return_and_correct_aliasing(func, args, kwargs, tree_map(_away, found))


def _check_together(name: str, args: Sequence[Any], tensors: Sequence[Tensor]) -> None:
    """An index may lie on the CPU."""
    indexed = name.startswith("aten.index") and isinstance(args[0], _FarTensor)
    meets = [args[0], *args[2:]] if indexed else tensors
    if any(isinstance(one, Tensor) and not isinstance(one, _FarTensor) and one.dim() for one in meets):
        raise RuntimeError(f"{name}: expected all tensors on {FAR}, found one on the CPU")


def _near(value: Any) -> Any:
    return value.near if isinstance(value, _FarTensor) else value


def _away(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    if value.dtype == torch.float64:
        raise TypeError(f"{FAR} has no float64")
    return _FarTensor(value)
