"""What a model's files say about its KV cache: geometry from the configuration, a name for weights.

Works on `config.json` as a mapping or as transformers' configuration object; imports neither
transformers nor torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from kvtier.dtype import Dtype
from kvtier.errors import InvalidRequestError, require
from kvtier.identity import Geometry, GeometryKind, Rope, RopeScaling, RopeStyle

FULL, SLIDING = "full_attention", "sliding_attention"
WHOLE_BYTES_MAX = 1 << 30
"""Weights up to this size are hashed in whole; of larger ones each tensor's ends are."""
SAMPLE_BYTES = 4096
_PARAMETERS: dict[str, tuple[RopeScaling, tuple[str, ...]]] = {
    "default": (RopeScaling.NONE, ()),
    "linear": (RopeScaling.LINEAR, ("factor",)),
    "dynamic": (RopeScaling.DYNAMIC_NTK, ("factor", "original_max_position_embeddings")),
    "yarn": (
        RopeScaling.YARN,
        ("factor", "original_max_position_embeddings", "beta_fast", "beta_slow"),
    ),
    "llama3": (
        RopeScaling.LLAMA3,
        ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    ),
}
_DEFAULTS = {"beta_fast": 32.0, "beta_slow": 1.0}


def geometry_of(config: Any, dtype: Dtype) -> Geometry:
    """The geometry of a decoder with full or sliding attention and rotate-half RoPE.

    Raises InvalidRequestError for a cache that is not of K and V tensors of one shape.
    """
    get = _getter(config)
    layers, queries = get("num_hidden_layers"), get("num_attention_heads")
    kinds = get("layer_types") or [FULL] * layers
    other = [kind for kind in kinds if kind not in (FULL, SLIDING)]
    require(not other, "layer type", other[:1], f"{FULL} or {SLIDING}")
    latent = get("kv_lora_rank")
    require(not latent, "kv_lora_rank", latent, "none: latent attention only works in mode exact")
    shared = get("num_kv_shared_layers") or 0
    require(not shared, "num_kv_shared_layers", shared, "0")
    dim = get("head_dim") or get("hidden_size") // queries
    ropes = [_rope(get, kind, dim) for kind in kinds]
    distinct = tuple(dict.fromkeys(ropes))
    window = {FULL: -1, SLIDING: get("sliding_window") or -1}
    return Geometry(
        queries,
        get("num_key_value_heads") or queries,
        dim,
        dim,
        dtype,
        GeometryKind.ATTENTION,
        0,
        distinct,
        tuple(distinct.index(rope) for rope in ropes),
        tuple(range(layers)),
        tuple(window[kind] for kind in kinds),
    )


def _getter(config: Any) -> Any:
    if isinstance(config, Mapping):
        inner = config.get("text_config", config)
        return inner.get
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return lambda name: getattr(text, name, None)


def _rope(get: Any, kind: str, dim: int) -> Rope:
    given = get("rope_parameters") or get("rope_scaling") or {}
    given = given.get(kind, given)
    name = given.get("rope_type", given.get("type", "default"))
    theta = given.get("rope_theta", get("rope_theta"))
    require(name in _PARAMETERS, "rope_type", name, f"one of {', '.join(_PARAMETERS)}")
    require(theta is not None, "rope_theta", theta, "the base of the rotary embedding")
    scaling, names = _PARAMETERS[name]
    values = [given.get(key, _DEFAULTS.get(key, get(key))) for key in names]
    require(None not in values, f"parameters of rope_type {name}", values, ", ".join(names))
    rotated = int(dim * (given.get("partial_rotary_factor") or 1.0))
    return Rope(RopeStyle.ROTATE_HALF, scaling, rotated, float(theta), tuple(map(float, values)))


@lru_cache(maxsize=16)
def weights_digest(folder: Path) -> bytes:
    """A name for the weights of a model or adapter folder: SHA-256 of configuration and files.

    Files of more than 1 GiB together are sampled: names, sizes, headers and both ends of each
    tensor. Models that differ in the middle of tensors only have to be named by hand
    (`model` in the configuration).
    """
    kinds = ("*.safetensors", "*.bin", "*.gguf", "*.pt")
    files = sorted(file for kind in kinds for file in folder.glob(kind))
    require(bool(files), f"weights in {folder}", "none", "safetensors, bin, gguf or pt files")
    sizes = {file: file.stat().st_size for file in files}
    whole = sum(sizes.values()) <= WHOLE_BYTES_MAX
    digest = hashlib.sha256()
    for name in ("config.json", "adapter_config.json"):
        if (folder / name).is_file():
            digest.update(_canonical(folder / name))
    for file in files:
        digest.update(f"{file.name} {sizes[file]}\n".encode())
        with file.open("rb") as source:
            if whole:
                while piece := source.read(1 << 20):
                    digest.update(piece)
            else:
                for start, end in _ranges(file, sizes[file]):
                    source.seek(start)
                    digest.update(source.read(end - start))
    return digest.digest()


def _canonical(file: Path) -> bytes:
    """A configuration without what saving it again changes."""
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise InvalidRequestError(f"{file} is no JSON: {error}") from None
    for name in ("_name_or_path", "_model_name_or_path", "transformers_version"):
        content.pop(name, None)
    return json.dumps(content, sort_keys=True).encode()


def _ranges(file: Path, size: int) -> list[tuple[int, int]]:
    """Byte ranges that are hashed of a large file."""
    if file.suffix != ".safetensors":
        step = max(size // 1024, SAMPLE_BYTES)
        return [(at, min(at + SAMPLE_BYTES, size)) for at in range(0, size, step)]
    with file.open("rb") as source:
        head = 8 + int.from_bytes(source.read(8), "little")
        require(head <= min(size, 100 << 20), f"header bytes of {file}", head, "within the file")
        entries = json.loads(source.read(head - 8))
    out = [(0, head)]
    for name, entry in sorted(entries.items()):
        if name != "__metadata__":
            start, end = (head + offset for offset in entry["data_offsets"])
            out += [(start, min(start + SAMPLE_BYTES, end)), (max(end - SAMPLE_BYTES, start), end)]
    return out
