"""Element types of KV tensors, and their way to float32 and back."""

from __future__ import annotations

import enum

import numpy as np

from kvtier.errors import InvalidRequestError, require


class Dtype(enum.IntEnum):
    """Element type of a tensor; its number is its byte in formats.

    numpy has no bfloat16: such tensors are uint16 arrays of the bit patterns.
    """

    F16 = 0
    BF16 = 1
    F32 = 2

    @property
    def bytes(self) -> int:
        """Bytes of one element."""
        return 4 if self is Dtype.F32 else 2

    @property
    def numpy(self) -> np.dtype:
        """The numpy type that holds it, little-endian."""
        return np.dtype({Dtype.F16: "<f2", Dtype.BF16: "<u2", Dtype.F32: "<f4"}[self])

    @staticmethod
    def of(code: int) -> Dtype:
        """The type of a byte, refusing others."""
        require(0 <= code <= 2, "dtype", code, "0 (f16), 1 (bf16) or 2 (f32)")
        return Dtype(code)

    @staticmethod
    def of_array(array: np.ndarray) -> Dtype:
        """The type that a numpy array stands for."""
        for dtype in Dtype:
            if array.dtype == dtype.numpy:
                return dtype
        raise InvalidRequestError(
            f"array dtype is {array.dtype}, expected float16, float32 or uint16 (bfloat16 bits)"
        )

    def to_float32(self, array: np.ndarray) -> np.ndarray:
        """The values, exactly; a new array unless it already is float32."""
        if self is Dtype.BF16:
            return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return array.astype(np.float32, copy=False)

    def from_float32(self, array: np.ndarray) -> np.ndarray:
        """The nearest values, ties to even; beyond the range of float16 they become infinite."""
        if self is Dtype.BF16:
            bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
            high = bits >> np.uint32(16)
            rounded = (bits + np.uint32(0x7FFF) + (high & np.uint32(1))) >> np.uint32(16)
            quiet = high | np.uint32(0x40)  # a NaN stays one when its payload is cut
            return np.where(np.isnan(array), quiet, rounded).astype(np.uint16)
        with np.errstate(over="ignore"):
            return array.astype(self.numpy, copy=False)
