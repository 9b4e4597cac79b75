"""Writes frames.json: frames made by this encoder, with what they decode to, for other readers.

    python client/python/tests/vectors/make_frames.py

Each case: the namespace's canonical bytes, the profile's file (null: the data-free profile, or none
when exact), the chunk's token ids, the frame, and for cuts after some parts their length, the rungs
of head and tail, and K and V in the namespace's dtype, `[stored layers, tokens, KV heads, dim]`,
little-endian. `symbols`: for each layer group of the frame and head group in turn the classes, and
q `[R, tokens]` of the whole frame, row by row (a token's q is that of its own rung; q of a raw
token is 0). All bytes are hex.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import samples

from kvtier.decoder import decode_symbols, frame_segments
from kvtier.dtype import Dtype
from kvtier.profile import to_bytes

CASES = (
    # name, dtype, profile, tokens, chunk index, outliers
    ("data-free, first chunk", Dtype.F16, "data-free", 48, 0, False),
    ("data-free, short last chunk", Dtype.BF16, "data-free", 5, 1, False),
    ("layers apart, escapes", Dtype.F32, "layer", 34, 1, True),
    ("layers jointly, first chunk", Dtype.F16, "joint", 48, 0, False),
    ("heads apart", Dtype.F16, "head", 40, 2, False),
    ("deep, first chunk", Dtype.F16, "deep", 40, 0, False),
    ("deep, escapes", Dtype.BF16, "deep", 11, 1, True),
    ("exact", Dtype.F16, None, 48, 1, False),
)


def case(
    name: str, dtype: Dtype, kind: str | None, tokens: int, index: int, outliers: bool
) -> dict[str, object]:
    space = samples.namespace(dtype)
    profile = samples.profile_for(space, kind) if kind else None
    space = space if kind else space.exact()
    made = samples.chunk(space, profile, tokens, index, outliers=outliers)
    cuts = []
    for cut in sorted({made.header.cuts[0], *made.header.cuts[-2:]}):
        rungs, k, v = made.decode(cut)
        cuts.append(
            {
                "bytes": cut,
                "rungs": rungs[0, 0].tolist(),
                "k": k.tobytes().hex(),
                "v": v.tobytes().hex(),
            }
        )
    symbols = []
    if profile is not None:
        segments = frame_segments(made.header, made.frame)
        grid = decode_symbols(made.header, segments, profile, space.geometry)
        for place in sorted(grid):
            group = grid[place]
            symbols.append({"classes": group.classes.tolist(), "q": group.q.reshape(-1).tolist()})
    trained = profile is not None and kind != "data-free"
    return {
        "name": name,
        "namespace": space.to_bytes().hex(),
        "profile": to_bytes(profile).hex() if trained and profile else None,
        "tokens": made.ids.tolist(),
        "key": made.header.key.hex(),
        "encodingId": made.header.encoding_id.hex(),
        "frame": made.frame.hex(),
        "cuts": cuts,
        "symbols": symbols,
    }


def document() -> dict[str, object]:
    return {"writer": "kvtier Python encoder", "cases": [case(*row) for row in CASES]}


if __name__ == "__main__":
    target = Path(__file__).parent / "frames.json"
    target.write_text(json.dumps(document(), separators=(",", ":")) + "\n")
    print(f"{target.name}: {target.stat().st_size} bytes")
