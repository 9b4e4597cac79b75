"""Hugging Face models: their caches into the tier and out of it, and `generate` from a prefix.

    with Tier.connect() as tier:
        output = kvtier.hf.generate(model, tier, input_ids, max_new_tokens=64)

looks for the longest prefix of the prompt that the tier holds, computes only the rest, and puts
what was computed. Caches are transformers' (version 5): dynamic, static, sliding, offloaded. Keys
are after RoPE, as transformers caches them. One sequence at a time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Cache, DynamicCache

from kvtier.deadline import Deadline
from kvtier.dtype import Dtype
from kvtier.errors import InvalidRequestError, KvtierError, require
from kvtier.fetch import Stop
from kvtier.identity import CHUNK_TOKENS, Namespace
from kvtier.models import geometry_of, weights_digest
from kvtier.tier import Tier

logger = logging.getLogger("kvtier.hf")
Tensor = torch.Tensor
_DTYPES = {torch.float16: Dtype.F16, torch.bfloat16: Dtype.BF16, torch.float32: Dtype.F32}


def namespace_for(
    model: Any,
    *,
    digest: bytes | None = None,
    chunk_tokens: int = CHUNK_TOKENS,
    exact: bool = False,
) -> Namespace:
    """The namespace of a model's chunks, keyed by tokens alone.

    digest: 32 bytes that name the weights; by default the fingerprint of the folder that the model
    was loaded from. Raises InvalidRequestError for models whose cache is not of K and V tensors.
    """
    known = "float16, bfloat16, float32"
    require(model.dtype in _DTYPES, "dtype of the model", model.dtype, known)
    if digest is None:
        folder = Path(model.config._name_or_path or "/nonexistent")
        require(folder.is_dir(), "folder of the model", str(folder), "one that is, or `digest`")
        digest = weights_digest(folder.resolve())
    geometry = geometry_of(model.config, _DTYPES[model.dtype])
    space = Namespace(digest, geometry, chunk_tokens=chunk_tokens)
    return space.exact() if exact else space


def export_cache(cache: Cache, tokens: int | None = None) -> tuple[Tensor, Tensor]:
    """K and V `[layers, tokens, KV heads, dim]` of a cache's first tokens, by default all.

    Raises InvalidRequestError when a layer does not hold them: a sliding layer that has moved on,
    a quantized one, or one without K and V.
    """
    count = int(cache.get_seq_length()) if tokens is None else tokens
    keys, values = [], []
    for index, layer in enumerate(cache.layers):
        where = f"layer {index} of the cache ({type(layer).__name__})"
        if not hasattr(layer, "keys") or layer.keys is None or hasattr(layer, "_quantized_keys"):
            raise InvalidRequestError(
                f"{where} holds no K and V as tensors, expected a dynamic, static or sliding layer"
            )
        held = min(int(layer.get_seq_length()), layer.keys.shape[-2])
        seen = int(layer.get_seq_length())
        if held < seen or held < count:
            raise InvalidRequestError(
                f"{where} holds the last {held} of {seen} tokens, expected the first {count}: "
                "prefill with a plain DynamicCache()"
            )
        require(layer.keys.shape[0] == 1, f"sequences of {where}", layer.keys.shape[0], 1)
        keys.append(layer.keys[0, :, :count].transpose(0, 1))
        values.append(layer.values[0, :, :count].transpose(0, 1))
    return torch.stack(keys), torch.stack(values)


def import_cache(cache: Cache, k: Tensor, v: Tensor) -> None:
    """Append K and V `[layers, tokens, KV heads, dim]` to an empty cache of any kind.

    Sliding layers keep what their window needs, quantized ones quantize.
    """
    length = int(cache.get_seq_length())
    require(length == 0, "tokens of the cache", length, "0: a prefix begins a sequence")
    for layer in range(k.shape[0]):
        keys = k[layer].transpose(0, 1)[None].contiguous()
        values = v[layer].transpose(0, 1)[None].contiguous()
        cache.update(keys, values, layer)


@dataclass(frozen=True)
class Loaded:
    """What came from the tier: so many tokens are in `cache`; stop and message say why not more."""

    cache: Cache
    tokens: int
    stop: Stop
    message: str


def load_prefix(
    tier: Tier,
    namespace: Namespace,
    input_ids: Tensor,
    cache: Cache | None = None,
    *,
    device: Any = "cpu",
    deadline: float | Deadline | None = None,
) -> Loaded:
    """Put the longest prefix of `input_ids` that the tier holds into a cache.

    At least one token is left to compute. Never raises for what can be a miss.
    """
    cache = DynamicCache() if cache is None else cache
    ids = _one_sequence(input_ids)[:-1]
    until = deadline if isinstance(deadline, Deadline) else Deadline.after(
        tier.config.load_timeout if deadline is None else deadline
    )
    try:
        match = tier.match(namespace, ids, deadline=until)
    except InvalidRequestError:
        raise
    except KvtierError as error:
        return Loaded(cache, 0, Stop.UNAVAILABLE, str(error))
    geometry = namespace.geometry
    dtype = {kind: name for name, kind in _DTYPES.items()}[geometry.dtype]
    shape = (len(geometry.stored_layers), match.tokens, geometry.kv_heads)
    k = torch.empty((*shape, geometry.key_dim), dtype=dtype, device=device)
    v = torch.empty((*shape, geometry.value_dim), dtype=dtype, device=device)
    reader = tier.open(match, deadline=until, out=(k, v))
    tokens = sum(chunk.tokens for chunk in reader)
    if tokens:
        import_cache(cache, k[:, :tokens], v[:, :tokens])
    return Loaded(cache, tokens, reader.stop, reader.message)


def save_prefix(tier: Tier, namespace: Namespace, input_ids: Tensor, cache: Cache) -> int:
    """Put the full chunks of a prompt; how many are held now. Failures are logged, not raised."""
    ids = _one_sequence(input_ids)
    full = len(ids) // namespace.chunk_tokens * namespace.chunk_tokens
    if not full:
        return 0
    k, v = export_cache(cache, full)
    try:
        replies = tier.put(namespace, ids[:full], k, v)
    except InvalidRequestError:
        raise
    except KvtierError as error:
        logger.warning("kvtier: a prefix was not saved: %s", error)
        return 0
    return sum(reply.status.name != "REJECTED" for reply in replies)


def generate(
    model: Any,
    tier: Tier,
    input_ids: Tensor,
    *,
    namespace: Namespace | None = None,
    cache: Cache | None = None,
    save: bool = True,
    deadline: float | Deadline | None = None,
    **options: Any,
) -> Tensor:
    """`model.generate(input_ids, **options)` that computes only what the tier does not have.

    cache: an empty one of any kind to use instead of a dynamic one.
    """
    space = namespace or namespace_for(model)
    loaded = load_prefix(tier, space, input_ids, cache, device=model.device, deadline=deadline)
    if loaded.message:
        logger.info("kvtier: %d tokens came (%s)", loaded.tokens, loaded.message)
    mask = torch.ones_like(input_ids)
    output = model.generate(
        input_ids, attention_mask=mask, past_key_values=loaded.cache, use_cache=True, **options
    )
    missing = input_ids.shape[1] // space.chunk_tokens * space.chunk_tokens - loaded.tokens
    if save and missing > 0:
        try:
            save_prefix(tier, space, input_ids, loaded.cache)
        except InvalidRequestError as error:
            logger.warning("kvtier: the prefix was not saved: %s", error)
    return output


def _one_sequence(input_ids: Tensor) -> Any:
    shape = tuple(input_ids.shape)
    require(len(shape) == 2 and shape[0] == 1, "shape of input_ids", shape, "[1, tokens]")
    return input_ids[0].detach().cpu().numpy()
