"""Tensors of either library: numpy arrays of what a caller has, without a copy where possible.

torch is never imported here: a torch tensor is known by its type's module. bfloat16 becomes the
uint16 of its bits, as everywhere in kvtier.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kvtier.errors import InvalidRequestError, require


def is_torch(tensor: Any) -> bool:
    """Whether this is a torch tensor."""
    return type(tensor).__module__.split(".")[0] == "torch"


def to_numpy(tensor: Any, what: str = "tensor") -> np.ndarray:
    """The values as a numpy array: of CPU tensors a view, of others a copy."""
    if isinstance(tensor, np.ndarray):
        return tensor
    require(is_torch(tensor), f"type of {what}", type(tensor).__name__, "a numpy or torch tensor")
    tensor = tensor.detach()
    tensor = tensor if tensor.device.type == "cpu" else tensor.cpu()
    return _bits(tensor, what)


def view_for_writing(tensor: Any, what: str = "out") -> np.ndarray | None:
    """A numpy view through which the caller's tensor is written; None if it lies on a device."""
    if isinstance(tensor, np.ndarray):
        require(tensor.flags.writeable, what, "read-only", "a writable array")
        return tensor
    require(is_torch(tensor), f"type of {what}", type(tensor).__name__, "a numpy or torch tensor")
    if tensor.device.type != "cpu":
        return None
    return _bits(tensor.detach(), what)


def copy_into(tensor: Any, values: np.ndarray) -> None:
    """Copy values of `to_numpy`'s dtype into a torch tensor of any device, or a numpy array."""
    if isinstance(tensor, np.ndarray):
        tensor[...] = values
        return
    import torch

    values = np.ascontiguousarray(values)
    if values.dtype == np.uint16:
        source = torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    else:
        source = torch.from_numpy(values)
    tensor.copy_(source)


def _bits(tensor: Any, what: str) -> np.ndarray:
    import torch

    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    if tensor.dtype not in (torch.float16, torch.float32):
        raise InvalidRequestError(
            f"dtype of {what} is {tensor.dtype}, expected float16, bfloat16 or float32"
        )
    return tensor.numpy()
