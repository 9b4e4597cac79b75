"""The namespace of an engine's chunks: everything that makes one of its blocks what it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kvtier.config import TierConfig
from kvtier.dtype import Dtype
from kvtier.errors import require
from kvtier.identity import Geometry, GeometryKind, Namespace, NamespaceKind, Rope
from kvtier.models import geometry_of, weights_digest

CHUNK_TOKENS_EXACT = 128
CHUNK_TOKENS_ADAPTIVE = 256
HASHES = ("sha256", "sha256_cbor")
DTYPES = {"float16": Dtype.F16, "bfloat16": Dtype.BF16, "float32": Dtype.F32}


@dataclass(frozen=True)
class Engine:
    """What the connector found out about an engine's rank.

    backend: attention backend and, on CPUs, instruction set: `cpu:vec`. dtype: of the weights,
    cache_dtype: of the cache, both torch's names. hash: the engine's hash of blocks. revision:
    version of the engine, whose layout it is.
    """

    model: str
    dtype: str
    cache_dtype: str
    backend: str
    block_tokens: int
    hash: str
    rank: int = 0
    ranks: int = 1
    quantization: str = ""
    revision: str = ""


def chunk_tokens(config: TierConfig, block_tokens: int, hash_tokens: int) -> int:
    """Tokens of a chunk: what is configured, or the least of blocks that reach the mode's size."""
    asked = config.chunk_tokens
    exact = config.mode == "exact"
    least = asked or (CHUNK_TOKENS_EXACT if exact else CHUNK_TOKENS_ADAPTIVE)
    size = -(-least // block_tokens) * block_tokens
    require(not asked or size == asked, "chunkTokens", asked, f"a multiple of {block_tokens}")
    require(size % hash_tokens == 0, "chunkTokens", size, f"a multiple of {hash_tokens}")
    return size


def model_digest(config: TierConfig, engine: Engine) -> bytes:
    """The configured name of the weights, or the fingerprint of their folder."""
    if config.model:
        return bytes.fromhex(config.model)
    folder = Path(engine.model)
    require(
        folder.is_dir(), "model", engine.model,
        "a folder with weights; for others set `model` to 64 hex digits that name them",
    )
    return weights_digest(folder.resolve())


def namespace_of(
    config: TierConfig, engine: Engine, hf_config: Any, layer_bytes: int, layers: int, chunk: int
) -> Namespace:
    """The namespace: layer_bytes are those of one layer of one chunk, used in mode exact."""
    require(engine.hash in HASHES, "hash of blocks", engine.hash,
            f"{' or '.join(HASHES)} (--prefix-caching-hash-algo): others differ between processes")
    model, scheme = model_digest(config, engine), f"vllm-{engine.hash}"
    if config.mode == "exact":
        layout = (
            f"vllm {engine.revision} {engine.backend} {engine.dtype} {engine.cache_dtype} "
            f"{engine.quantization} block {engine.block_tokens} rank {engine.rank}/{engine.ranks}"
        )
        kind = DTYPES.get(engine.cache_dtype, Dtype.F16)
        geometry = Geometry(
            1, 1, 1, 0, kind, GeometryKind.OPAQUE, layer_bytes, (Rope(),), (0,) * layers,
            tuple(range(layers)), (-1,) * layers,
        )
        return Namespace(
            model, geometry, NamespaceKind.EXACT, chunk, key_scheme=scheme, layout=layout
        )
    require(engine.ranks == 1, "tensor-parallel ranks", engine.ranks, "1 in mode adaptive")
    require(
        engine.cache_dtype in DTYPES, "dtype of the KV cache", engine.cache_dtype,
        f"{', '.join(DTYPES)} in mode adaptive",
    )
    geometry = geometry_of(hf_config, DTYPES[engine.cache_dtype])
    stored = len(geometry.stored_layers)
    require(stored == layers, "layers with a cache", layers, f"{stored}, as the model says")
    space = Namespace(model, geometry, NamespaceKind.ADAPTIVE, chunk, key_scheme=scheme)
    return replace(space, key_scheme=f"{scheme} {engine.quantization}".strip())
