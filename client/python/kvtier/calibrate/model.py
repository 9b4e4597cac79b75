"""A Hugging Face causal LM as calibration sees it: its cache, its gradients, its loss with another
cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from .errors import CalibrationError

Tensor = torch.Tensor


@dataclass(frozen=True)
class KvShape:
    """Shape of a model's KV cache: `[layers, tokens, heads, dim]` for keys and for values alike.

    `theta` is the base of the rotary embedding of every layer (rotate-half style over the whole
    head).
    """

    layers: int
    query_heads: int
    heads: int
    dim: int
    theta: float

    @property
    def row(self) -> int:
        """Channels of one layer's keys (or values) of one token."""
        return self.heads * self.dim

    @property
    def elements(self) -> int:
        """Cached elements of one token."""
        return 2 * self.layers * self.row


def kv_shape(folder: Path) -> KvShape:
    """Read the shape from `config.json`; raises `CalibrationError` for attention that is not
    supported yet."""
    config = AutoConfig.from_pretrained(folder)
    windows = [
        kind for kind in getattr(config, "layer_types", None) or [] if kind != "full_attention"
    ]
    if windows:
        raise CalibrationError(
            f"{folder}: layers of type {windows[0]!r}, only full attention is supported"
        )
    rope = config.rope_parameters
    if (
        rope.get("rope_type", "default") != "default"
        or rope.get("partial_rotary_factor", 1.0) != 1.0
    ):
        raise CalibrationError(
            f"{folder}: rotary embedding {rope}, expected the default type over whole heads"
        )
    queries = config.num_attention_heads
    dim = getattr(config, "head_dim", None) or config.hidden_size // queries
    heads = getattr(config, "num_key_value_heads", None) or queries
    return KvShape(config.num_hidden_layers, queries, heads, dim, float(rope["rope_theta"]))


def rotate(keys: Tensor, theta: float, sign: int, first_position: int = 0) -> Tensor:
    """Apply (`sign` 1) or undo (−1) rotate-half RoPE on keys `[..., tokens, heads, dim]`.

    The rotation is orthogonal, so undoing it also carries a gradient from the cached key to the key
    before RoPE.
    """
    half = keys.shape[-1] // 2
    frequency = theta ** -(torch.arange(half, dtype=torch.float64) / half)
    position = torch.arange(first_position, first_position + keys.shape[-3], dtype=torch.float64)
    angle = position[:, None] * frequency
    cos, sin = angle.cos().float()[:, None], sign * angle.sin().float()[:, None]
    a, b = keys[..., :half], keys[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def to_rows(shape: KvShape, keys: Tensor, values: Tensor) -> Tensor:
    """Keys before RoPE and values `[layers, tokens, heads, dim]` as rows `[layers, 2, tokens,
    heads·dim]`."""
    return torch.stack([keys.flatten(2), values.flatten(2)], 1)


def from_rows(shape: KvShape, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The reverse of `to_rows`."""
    split = rows.unflatten(-1, (shape.heads, shape.dim))
    return split[:, 0], split[:, 1]


class CausalModel:
    """The model in float32 on the CPU, its weights frozen."""

    def __init__(self, folder: Path) -> None:
        self.shape = kv_shape(folder)
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        for parameter in self._model.parameters():
            parameter.requires_grad_(False)

    def embedding(self) -> Tensor:
        """The input embeddings, float32 `[vocabulary, hidden]`."""
        return self._model.get_input_embeddings().weight.detach().float()

    @torch.no_grad()
    def prefill(self, ids: np.ndarray) -> tuple[Tensor, Tensor]:
        """Cache of `ids`, float16 `[layers, tokens, heads, dim]`, keys after RoPE as an engine
        holds them."""
        cache = DynamicCache()
        self._model(
            torch.as_tensor(ids).long()[None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        keys = torch.stack([layer.keys[0].transpose(0, 1) for layer in cache.layers])
        values = torch.stack([layer.values[0].transpose(0, 1) for layer in cache.layers])
        for name, tensor in (("keys", keys), ("values", values)):
            if not torch.isfinite(tensor.half()).all():
                raise CalibrationError(
                    f"cached {name} are not finite in float16: the model cannot be calibrated"
                )
        return keys.half(), values.half()

    def logits(self, ids: np.ndarray, keys: Tensor, values: Tensor) -> Tensor:
        """Logits `[len(ids), vocabulary]` of `ids` after the cache; differentiable with respect to
        the cache."""
        cache = DynamicCache()
        for layer in range(keys.shape[0]):
            cache.update(
                keys[layer].transpose(0, 1)[None], values[layer].transpose(0, 1)[None], layer
            )
        first = keys.shape[1]
        positions = torch.arange(first, first + len(ids))[None]
        out = self._model(
            torch.as_tensor(ids).long()[None],
            past_key_values=cache,
            use_cache=True,
            position_ids=positions,
        )
        return out.logits[0]

    def gradients(
        self, ids: np.ndarray, keys: Tensor, values: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Gradient of the loss of `ids` with respect to the cached keys and values.

        Labels are sampled from the model itself, so that the gradients' second moment is the Fisher
        information of its predictions, not of the text.
        """
        keys = keys.float().requires_grad_(True)
        values = values.float().requires_grad_(True)
        logits = self.logits(ids, keys, values)
        with torch.no_grad():
            labels = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        grad_keys, grad_values = torch.autograd.grad(loss, [keys, values])
        if not (torch.isfinite(grad_keys).all() and torch.isfinite(grad_values).all()):
            raise CalibrationError(
                "gradients are not finite: calibrate in float32 and check the model"
            )
        return grad_keys, grad_values
