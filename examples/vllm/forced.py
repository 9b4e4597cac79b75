"""A logits processor that makes the engine say given tokens, and keeps what it would have said.

A request with `extra_args={"force": [ids], "logits": file}` gets those ids one after the other; the
logits `[len(ids), vocabulary]`, float32, are saved as numpy's when the last is forced.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor


class Forced(AdapterLogitsProcessor):
    """See the module."""

    def is_argmax_invariant(self) -> bool:
        """It is not: greedy sampling has to take what is forced."""
        return False

    def new_req_logits_processor(self, params: Any) -> Any:
        """The processor of one request, if it forces any."""
        extra = params.extra_args or {}
        ids: list[int] = extra.get("force") or []
        if not ids:
            return None
        rows: list[np.ndarray] = []

        def force(output_ids: list[int], logits: torch.Tensor) -> torch.Tensor:
            if len(rows) < len(ids):
                rows.append(logits.detach().float().numpy().copy())
                if len(rows) == len(ids):
                    np.save(extra["logits"], np.stack(rows))
                chosen = torch.full_like(logits, -torch.inf)
                chosen[ids[len(rows) - 1]] = 0
                return chosen
            return logits

        return force
