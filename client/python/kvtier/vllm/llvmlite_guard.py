"""Lets vLLM's CPU platform start in a process that has imported numba.

When a worker starts, vLLM 0.32 looks at `vars(value)` of every attribute of every module
(vllm/triton_utils/dispatcher.py, `_rebind_kernels`). llvmlite's library object answers any name,
`__dict__` too, with a function of the library, and vLLM's `.get` on that fails. This makes it
refuse names that no library function has.
"""

from __future__ import annotations


def guard() -> None:
    """Apply it, once; without llvmlite there is nothing to do."""
    try:
        from llvmlite.binding import ffi
    except ImportError:
        return
    kind = type(ffi.lib)
    answer = getattr(kind, "__getattr__", None)
    if answer is None or getattr(answer, "refuses_dunder", False):
        return

    def refusing(self: object, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return answer(self, name)

    refusing.refuses_dunder = True  # type: ignore[attr-defined]
    kind.__getattr__ = refusing
