"""Writes exact.json: exact frames made by this encoder, and what they hold, for other readers.

    python client/python/tests/vectors/make_exact.py

Each case: the namespace's canonical bytes, the frame, and `raw`, the bytes that went in, stored
layer by stored layer: keys `[tokens, KV heads, keyDim]` then values, in the namespace's dtype; or
the opaque bytes. All bytes are hex.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import samples

from kvtier.dtype import Dtype
from kvtier.encoder import ChunkId, encode_chunk, encode_opaque
from kvtier.identity import (
    Geometry,
    GeometryKind,
    Namespace,
    NamespaceKind,
    Rope,
    chunk_keys,
)

CHUNK_TOKENS = 48


def tensors(dtype: Dtype, tokens: int, noise: bool) -> tuple[Namespace, bytes, bytes]:
    """A chunk of K and V; as noise any bits at all, NaN and infinity among them."""
    space = samples.namespace(dtype, CHUNK_TOKENS).exact()
    k, v = samples.tensors(space.geometry, tokens, 7)
    if noise:
        random = np.random.default_rng(8)
        k = np.frombuffer(random.bytes(k.nbytes), k.dtype).reshape(k.shape).copy()
        v[...] = np.resize(np.array([np.inf, -np.inf, np.nan, -0.0], v.dtype), v.shape)
    raw = b"".join(k[i].tobytes() + v[i].tobytes() for i in range(len(k)))
    return space, encode_chunk(space, None, chunk_id(space, tokens), k, v), raw


def opaque(kind: GeometryKind, opaque_bytes: int, tokens: int) -> tuple[Namespace, bytes, bytes]:
    """Layers 0, 1 and 3 of four: layer 2 reads what layer 0 stored."""
    rope = Rope.rotate_half(8, 10_000.0)
    geometry = Geometry(
        2, 1, 8, 8, Dtype.BF16, kind, opaque_bytes, (rope,), (0,) * 4, (0, 1, 0, 3), (-1,) * 4
    )
    space = Namespace(
        samples.MODEL,
        geometry,
        NamespaceKind.EXACT,
        chunk_tokens=CHUNK_TOKENS,
        layout="engine/pages-16",
    )
    blob = np.random.default_rng(9).integers(0, 7, (3, opaque_bytes)).astype(np.uint8)
    return space, encode_opaque(space, chunk_id(space, tokens), blob), blob.tobytes()


def chunk_id(space: Namespace, tokens: int) -> ChunkId:
    ids = np.random.default_rng(7).integers(0, 1000, CHUNK_TOKENS + tokens)
    return ChunkId(chunk_keys(space, ids, with_rest=True)[-1], ids[CHUNK_TOKENS:], CHUNK_TOKENS)


def document() -> dict[str, object]:
    cases = {
        "bf16, short last chunk": tensors(Dtype.BF16, 5, False),
        "f16": tensors(Dtype.F16, 48, False),
        "f32, any bits, two segments": tensors(Dtype.F32, 48, True),
        "opaque, odd bytes, short last chunk": opaque(GeometryKind.OPAQUE, 1001, 5),
        "state": opaque(GeometryKind.STATE, 640, 48),
    }
    return {
        "writer": "kvtier Python encoder",
        "cases": [
            {
                "name": name,
                "namespace": space.to_bytes().hex(),
                "frame": frame.hex(),
                "raw": raw.hex(),
            }
            for name, (space, frame, raw) in cases.items()
        ],
    }


if __name__ == "__main__":
    target = Path(__file__).parent / "exact.json"
    target.write_text(json.dumps(document(), separators=(",", ":")) + "\n")
    print(f"{target.name}: {target.stat().st_size} bytes")
