"""Where a model computes: the CPU, or what else this torch finds on this machine."""

from __future__ import annotations

import psutil
import torch

from headscope.analysis.errors import InputError


def present() -> tuple[str, ...]:
    """The devices that torch can use here, as `--device` names them."""
    cards = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    apple = ("mps",) if torch.backends.mps.is_available() else ()
    return ("cpu", *cards, *apple)


def fastest() -> str:
    """Where a small model computes that nobody chose a device for: the first accelerator, the CPU without one."""
    return next((device for device in present() if device != "cpu"), "cpu")


def require(device: str) -> None:
    """Raises InputError for a device that is not here; `cuda` is the first card."""
    there = present()
    if device not in there and not (device == "cuda" and "cuda:0" in there):
        raise InputError(
            f"there is no device {device!r} here: torch {torch.__version__} on this machine has {', '.join(there)}; "
            "leave out --device to compute on the CPU, or install the torch that is made for your GPU.",
            "params",
        )


def name_of(device: torch.device) -> str:
    """What the hardware calls itself; the kind of device where torch does not tell."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def free_bytes(device: torch.device) -> int:
    """Memory (bytes) that a model or a pass there may still take; Apple's GPUs share that of the machine."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + held
