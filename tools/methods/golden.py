#!/usr/bin/env python3
"""Makes codec/src/test/resources/vectors/policies.txt: what token policies must keep.

The oracle is kvpress on random attention layers shaped like Llama's:

    pip install torch --index-url https://download.pytorch.org/whl/cpu
    pip install --no-deps kvpress==0.5.5 transformers==5.2.0 'huggingface_hub<2' 'tokenizers<0.23'
    pip install safetensors regex pyyaml tqdm requests packaging filelock
    python tools/methods/golden.py > codec/src/test/resources/vectors/policies.txt

H2O, VATP and NACL, which kvpress lacks in their published form, are a few lines of numpy here,
after their repositories. A line is a name, its shape and its numbers: float32 as decimal digits,
sets as 0 and 1. Half of the tokens are kept.
"""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import torch

LAYERS, TOKENS, HEADS, KV_HEADS, DIM, HIDDEN = 2, 40, 4, 2, 8, 32
GROUP = HEADS // KV_HEADS
KEPT = TOKENS // 2
WINDOW, SINKS, FUTURE, THETA = 8, 4, 16, 10_000.0


def stub(name: str) -> None:
    """Stands in for a package that kvpress imports and these presses do not use."""
    module = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    for member in ("LRUCache", "cached", "load_dataset", "Fire"):
        setattr(module, member, lambda *_, **__: lambda function: function)
    sys.modules.setdefault(name, module)


def print_array(name: str, array: np.ndarray | torch.Tensor) -> None:
    """One line of the file."""
    x = array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    shape = "x".join(map(str, x.shape))
    if x.dtype == bool:
        numbers = "".join("1" if value else "0" for value in x.ravel())
    else:
        numbers = " ".join(f"{value:.9g}" for value in x.astype(np.float32).ravel())
    print(name, shape, numbers)


def top(scores: np.ndarray, count: int) -> np.ndarray:
    """The set of the largest scores of each row, ties to the lower index."""
    out = np.zeros(scores.shape, bool)
    np.put_along_axis(out, np.argsort(-scores, -1, kind="stable")[..., :count], True, -1)
    return out


def layer() -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """A random attention layer and what a forward pass over random inputs leaves behind."""
    from transformers.models.llama import modeling_llama as llama

    config = llama.LlamaConfig(
        hidden_size=HIDDEN,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        head_dim=DIM,
        num_hidden_layers=1,
        intermediate_size=8,
        vocab_size=8,
        rope_theta=THETA,
    )
    config._attn_implementation = "sdpa"  # AdaKV refuses eager; attention is computed below
    module = llama.LlamaAttention(config, layer_idx=0)
    module.rotary_emb = llama.LlamaRotaryEmbedding(config)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    hidden = torch.randn(1, TOKENS, HIDDEN)
    shape = (1, TOKENS, -1, DIM)
    q, k, v = (
        projection(hidden).view(shape).transpose(1, 2)
        for projection in (module.q_proj, module.k_proj, module.v_proj)
    )
    positions = module.rotary_emb(hidden, torch.arange(TOKENS)[None])
    plain = q
    q, k = llama.apply_rotary_pos_emb(q, k, *positions)
    logits = q @ llama.repeat_kv(k, GROUP).transpose(2, 3) / DIM**0.5
    causal = torch.full((TOKENS, TOKENS), -torch.inf).triu(1)
    return module, {
        "hidden": hidden,
        "positions": positions,
        "plain": plain,
        "q": q,
        "k": k,
        "v": v,
        "logits": logits,
        "attention": (logits + causal).softmax(-1),
    }


def by_group(x: torch.Tensor) -> torch.Tensor:
    """Mean over the query heads of each KV head, `[1, heads, …]` to `[kv_heads, …]`."""
    return x[0].unflatten(0, (KV_HEADS, GROUP)).mean(1)


def hints(run: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inputs of the policies of one layer."""
    plain = run["plain"][0, :, SINKS:]
    mean = plain.mean(1, keepdim=True)
    covariance = (plain - mean).transpose(1, 2) @ (plain - mean) / plain.shape[1]
    return {
        "keys": run["k"][0].transpose(0, 1),
        "values": run["v"][0].transpose(0, 1),
        "attention_sum": by_group(run["attention"].sum(2)),
        "attention_window": by_group(run["attention"][:, :, -WINDOW:].mean(2)),
        "query_window": run["q"][0, :, -WINDOW:],
        "query_moments": torch.cat([mean, covariance], 1),
    }


def kept_by_kvpress(module: torch.nn.Module, run: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The sets of one layer by the presses, `[kv_heads, tokens]`, and ThinK's channels."""
    import kvpress

    kwargs = {"hidden_states": run["hidden"], "position_embeddings": run["positions"]}
    half = {"compression_ratio": 0.5}
    snap = {"window_size": WINDOW, "kernel_size": 5}
    expected = {"n_future_positions": FUTURE, "n_sink": SINKS}
    presses = {
        "knorm": kvpress.KnormPress(**half),
        "streaming": kvpress.StreamingLLMPress(**half, n_sink=SINKS),
        "snapkv": kvpress.SnapKVPress(**half, **snap),
        "observed": kvpress.ObservedAttentionPress(**half),
        "expected": kvpress.ExpectedAttentionPress(**half, **expected),
    }
    out = {}
    for name, press in presses.items():
        scores = press.score(
            module, run["hidden"], run["k"], run["v"], run["attention"], kwargs
        )
        out[name] = top(scores[0].numpy(), KEPT)
    adaptive = kvpress.AdaKVPress(kvpress.ExpectedAttentionPress(**half, **expected))
    adaptive.compress(module, run["hidden"], run["k"], run["v"], None, kwargs)
    _, heads, tokens = module.masked_key_indices
    out["adakv"] = np.ones((KV_HEADS, TOKENS), bool)
    out["adakv"][heads, tokens] = False
    think = kvpress.ThinKPress(key_channel_compression_ratio=0.4, window_size=WINDOW)
    keys, _ = think.compress(module, run["hidden"], run["k"].clone(), run["v"], None, kwargs)
    out["think"] = (keys[0] != 0).any(1).numpy()
    return out


def kept_by_papers(run: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """H2O, VATP and NACL without its random part, `[kv_heads, tokens]`."""
    total = by_group(run["attention"].sum(2)).numpy()
    norms = run["v"][0].abs().sum(-1).numpy()
    out = {}
    for name, scores in (("h2o", total), ("vatp", total * norms)):
        recent = KEPT // 2
        kept = np.zeros(scores.shape, bool)
        kept[:, -recent:] = True
        kept[:, :-recent] = top(scores[:, :-recent], KEPT - recent)
        out[name] = kept
    proxies = run["logits"][:, :, -2:].softmax(-1).sum(2)
    out["nacl"] = top(by_group(proxies).numpy(), KEPT)
    return out


def main() -> None:
    """Prints the file."""
    for name in ("datasets", "fire", "cachetools", "peft"):
        stub(name)
    torch.manual_seed(20261124)
    lines: dict[str, list[np.ndarray]] = {}
    with torch.no_grad():
        for _ in range(LAYERS):
            module, run = layer()
            rows = hints(run) | kept_by_kvpress(module, run) | kept_by_papers(run)
            for name, row in rows.items():
                lines.setdefault(name, []).append(np.asarray(row))
    for name, rows in lines.items():
        print_array(name, np.stack(rows))


if __name__ == "__main__":
    main()
