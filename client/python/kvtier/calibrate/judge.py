"""What a decoded cache costs the model: divergence and perplexity of the text that follows, facts
that are forgotten."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from .facts import Question
from .model import CausalModel

Tensor = torch.Tensor


@dataclass(frozen=True)
class Case:
    """A context to judge by: `document` is the text that it was cut from.

    following: its next token ids, or empty. questions: facts that it holds, or none. tokens: its
    own ids, for codecs that need them.
    """

    document: str
    name: str
    keys: Tensor
    values: Tensor
    following: np.ndarray
    questions: tuple[Question, ...] = ()
    tokens: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))


class Judge:
    """The loss that a decoded cache causes, against the exact cache of the same case."""

    def __init__(self, model: CausalModel) -> None:
        self._model = model
        self._exact: dict[str, Tensor] = {}
        self._recalled: dict[str, int] = {}

    @torch.no_grad()
    def score(self, case: Case, keys: Tensor, values: Tensor) -> dict[str, float]:
        """`kl` nats a token, `dnll` nats a token, `top1` percent; NaN without following tokens."""
        if len(case.following) == 0:
            return {"kl": math.nan, "dnll": math.nan, "top1": math.nan}
        if case.name not in self._exact:
            self._exact[case.name] = self._log_odds(case, case.keys, case.values)
        exact = self._exact[case.name]
        lossy = self._log_odds(case, keys, values)
        at = torch.as_tensor(case.following[1:]).long()[:, None]
        return {
            "kl": (exact.exp() * (exact - lossy)).sum(-1).mean().item(),
            "dnll": (exact - lossy).gather(1, at).mean().item(),
            "top1": 100 * (exact.argmax(-1) == lossy.argmax(-1)).float().mean().item(),
        }

    def forget(self, case: Case) -> None:
        """Drop what is kept of a case (float32 `[following, vocabulary]`)."""
        self._exact.pop(case.name, None)

    @torch.no_grad()
    def recall(self, case: Case, keys: Tensor, values: Tensor) -> dict[str, int]:
        """Answer tokens of the case's questions: `asked`, `exact` ones predicted, `decoded`
        ones."""
        if case.name not in self._recalled:
            self._recalled[case.name] = self._right(case, case.keys, case.values)
        return {
            "asked": sum(len(question.answer) for question in case.questions),
            "exact": self._recalled[case.name],
            "decoded": self._right(case, keys, values),
        }

    def _log_odds(self, case: Case, keys: Tensor, values: Tensor) -> Tensor:
        logits = self._model.logits(case.following[:-1], keys.float(), values.float())
        return logits.log_softmax(-1)

    def _right(self, case: Case, keys: Tensor, values: Tensor) -> int:
        right = 0
        for question in case.questions:
            ids = np.concatenate([question.prompt, question.answer[:-1]])
            logits = self._model.logits(ids, keys.float(), values.float())
            said = logits[len(question.prompt) - 1 :].argmax(-1).numpy()
            right += int((said == question.answer).sum())
        return right
