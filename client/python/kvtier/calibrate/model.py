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
FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class KvShape:
    """Shape of a model's KV cache: `[layers, tokens, heads, dim]` for keys and for values alike.

    `theta` is the base of each layer's rotary embedding (rotate-half style over the whole head),
    `window` its sliding window in tokens, −1 for full attention.
    """

    layers: int
    query_heads: int
    heads: int
    dim: int
    theta: tuple[float, ...]
    window: tuple[int, ...]

    @property
    def row(self) -> int:
        """Channels of one layer's keys (or values) of one token."""
        return self.heads * self.dim

    @property
    def elements(self) -> int:
        """Cached elements of one token."""
        return 2 * self.layers * self.row

    def groups(self, size: int) -> list[tuple[int, ...]]:
        """Layer groups of at most `size` layers of one window each, by their first layer."""
        out = []
        for window in set(self.window):
            alike = [layer for layer in range(self.layers) if self.window[layer] == window]
            out += [tuple(alike[at : at + size]) for at in range(0, len(alike), size)]
        return sorted(out)

    def channels(self, heads: tuple[int, ...]) -> Tensor:
        """Where keys and values of some heads lie in a layer's row of keys, then values."""
        own = torch.arange(self.dim)
        keys = torch.cat([head * self.dim + own for head in heads])
        return torch.cat([keys, self.row + keys])

    def seen_from(self, layer: int, position: int) -> int:
        """First position whose K and V a query at `position` sees in a layer."""
        window = self.window[layer]
        return 0 if window < 0 else max(0, position - window + 1)


def kv_shape(folder: Path) -> KvShape:
    """Read the shape from `config.json`; raises `CalibrationError` for attention that is not
    supported."""
    try:
        config = AutoConfig.from_pretrained(folder).get_text_config()
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{folder}: not a model folder: {error}") from None
    layers = config.num_hidden_layers
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * layers
    _check_attention(folder, config, kinds)
    queries = config.num_attention_heads
    dim = getattr(config, "head_dim", None) or config.hidden_size // queries
    heads = getattr(config, "num_key_value_heads", None) or queries
    theta = {kind: _theta(folder, config, kind, dim) for kind in set(kinds)}
    window = {FULL: -1, SLIDING: getattr(config, "sliding_window", None) or -1}
    return KvShape(
        layers,
        queries,
        heads,
        dim,
        tuple(theta[kind] for kind in kinds),
        tuple(window[kind] for kind in kinds),
    )


def _check_attention(folder: Path, config, kinds: list[str]) -> None:
    other = [kind for kind in kinds if kind not in (FULL, SLIDING)]
    if other:
        raise CalibrationError(
            f"{folder}: layers of type {other[0]!r}, only {FULL} and {SLIDING} are supported"
        )
    if getattr(config, "kv_lora_rank", None):
        raise CalibrationError(
            f"{folder}: latent attention (kv_lora_rank {config.kv_lora_rank}) is not supported yet"
        )
    shared = getattr(config, "num_kv_shared_layers", 0)
    if shared:
        raise CalibrationError(f"{folder}: {shared} layers read the cache of another layer")


def _theta(folder: Path, config, kind: str, dim: int) -> float:
    rope = getattr(config, "rope_parameters", None) or {}
    rope = rope.get(kind, rope)
    if (
        rope.get("rope_type", "default") != "default"
        or rope.get("partial_rotary_factor", 1.0) != 1.0
        or "rope_theta" not in rope
    ):
        raise CalibrationError(
            f"{folder}: rotary embedding {rope} of {kind} layers, expected the default type over "
            f"all {dim} elements of a head"
        )
    return float(rope["rope_theta"])


def rotate(keys: Tensor, theta: tuple[float, ...], sign: int, first_position: int = 0) -> Tensor:
    """Apply (`sign` 1) or undo (−1) rotate-half RoPE on keys `[layers, tokens, heads, dim]`, by
    each layer's `theta`.

    The rotation is orthogonal, so undoing it also carries a gradient from the cached key to the key
    before RoPE.
    """
    half = keys.shape[-1] // 2
    base = torch.tensor(theta, dtype=torch.float64)[:, None]
    frequency = base ** -(torch.arange(half, dtype=torch.float64) / half)
    position = torch.arange(first_position, first_position + keys.shape[1], dtype=torch.float64)
    angle = position[:, None] * frequency[:, None]
    cos, sin = angle.cos().float()[:, :, None], sign * angle.sin().float()[:, :, None]
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

    @property
    def begin_token(self) -> int | None:
        """The id that begins every sequence, if the model has one."""
        return self._model.config.get_text_config().bos_token_id

    @torch.no_grad()
    def prefill(self, ids: np.ndarray) -> tuple[Tensor, Tensor]:
        """Cache of `ids`, float16 `[layers, tokens, heads, dim]`, keys after RoPE as an engine
        holds them; of sliding layers, too, every token."""
        cache = DynamicCache()
        self._model(
            torch.as_tensor(ids).long()[None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        keys = torch.stack([layer.keys[0].transpose(0, 1) for layer in cache.layers])
        values = torch.stack([layer.values[0].transpose(0, 1) for layer in cache.layers])
        expected = (self.shape.layers, len(ids), self.shape.heads, self.shape.dim)
        for name, tensor in (("keys", keys), ("values", values)):
            if tensor.shape != expected:
                raise CalibrationError(
                    f"cached {name} are {tuple(tensor.shape)}, the configuration says {expected}"
                )
            if not torch.isfinite(tensor.half()).all():
                layer = int((~torch.isfinite(tensor.half())).flatten(1).any(1).nonzero()[0])
                raise CalibrationError(
                    f"cached {name} of layer {layer} are not finite in float16: the model cannot "
                    "be calibrated"
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
                "gradients are not finite: check the model, or calibrate with --no-gradients"
            )
        return grad_keys, grad_values
