"""What makes a KV byte what it is: geometry, namespaces and the chain of chunk keys.

Canonical bytes are in docs/format.md section 1. A digest is `bytes` of length 32.
"""

from __future__ import annotations

import enum
import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from kvtier.dtype import Dtype
from kvtier.errors import InvalidRequestError, require

DIGEST_BYTES = 32
ZERO_DIGEST = bytes(DIGEST_BYTES)
KEY_SCHEME = "kvtier-1"
CHUNK_TOKENS = 256
CHUNK_TOKENS_MAX = 8192
NAMESPACE_BYTES_MAX = 64 << 10
LAYERS_MAX = 1024
STRING_BYTES_MAX = 255
TOKEN_ID_MAX = (1 << 31) - 1


class RopeStyle(enum.IntEnum):
    """Which elements of a head form a rotated pair."""

    NONE = 0
    ROTATE_HALF = 1
    INTERLEAVED = 2


class RopeScaling(enum.IntEnum):
    """How frequencies are stretched for contexts longer than those of training."""

    NONE = 0
    LINEAR = 1
    DYNAMIC_NTK = 2
    YARN = 3
    LLAMA3 = 4


class GeometryKind(enum.IntEnum):
    """What the cached bytes are."""

    ATTENTION = 0
    LATENT = 1
    OPAQUE = 2
    STATE = 3


class NamespaceKind(enum.IntEnum):
    """How faithful the chunks of a namespace are."""

    ADAPTIVE = 0
    EXACT = 1


class _Reader:
    """Takes fields off the front of bytes from outside, refusing to go past their end."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.what, self.at = memoryview(data), what, 0

    def take(self, layout: str) -> tuple:
        size = struct.calcsize(layout)
        return struct.unpack(layout, self.bytes(size))

    def bytes(self, count: int) -> bytes:
        left = len(self.data) - self.at
        require(count <= left, f"bytes left of the {self.what} at {self.at}", left, count)
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def string(self) -> str:
        (length,) = self.take("<H")
        require(length <= STRING_BYTES_MAX, "string bytes", length, f"at most {STRING_BYTES_MAX}")
        try:
            return self.bytes(length).decode()
        except UnicodeDecodeError:
            raise InvalidRequestError(f"string in the {self.what} is not UTF-8") from None


@dataclass(frozen=True)
class Rope:
    """How positions are rotated into the keys of a layer.

    rotary_dims: leading elements of a head that are rotated, even; 0 without RoPE.
    theta: base of the frequencies theta^(-2i/rotary_dims).
    parameters: up to four numbers of the scaling: linear: factor; dynamic NTK: factor, original
    length; YaRN: factor, original length, beta fast, beta slow; Llama-3: factor, low frequency
    factor, high frequency factor, original length.
    """

    style: RopeStyle = RopeStyle.NONE
    scaling: RopeScaling = RopeScaling.NONE
    rotary_dims: int = 0
    theta: float = 0.0
    parameters: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        none = self.style == RopeStyle.NONE
        dims = self.rotary_dims
        require(
            dims == 0 if none else dims >= 2 and dims % 2 == 0 and dims <= 65534,
            "rotary_dims",
            dims,
            "0 without RoPE" if none else "even and at least 2",
        )
        require(
            self.theta == 0 if none else math.isfinite(self.theta) and self.theta > 1,
            "RoPE theta",
            self.theta,
            "0 without RoPE" if none else "finite and above 1",
        )
        require(
            len(self.parameters) <= 4 and all(math.isfinite(p) and p >= 0 for p in self.parameters),
            "RoPE parameters",
            self.parameters,
            "at most 4 finite numbers",
        )
        padded = tuple(float(p) for p in self.parameters) + (0.0,) * (4 - len(self.parameters))
        object.__setattr__(self, "parameters", padded)

    @staticmethod
    def rotate_half(head_dim: int, theta: float) -> Rope:
        """Rotate-half over the whole head, without scaling: Llama, Qwen, Mistral, SmolLM."""
        return Rope(RopeStyle.ROTATE_HALF, RopeScaling.NONE, head_dim, theta)

    def to_bytes(self) -> bytes:
        return struct.pack(
            "<BBHHd4d", self.style, self.scaling, self.rotary_dims, 0, self.theta, *self.parameters
        )

    @staticmethod
    def _read(reader: _Reader) -> Rope:
        style, scaling, dims, reserved, theta, *parameters = reader.take("<BBHHd4d")
        require(style <= 2, "RoPE style", style, "0..2")
        require(scaling <= 4, "RoPE scaling", scaling, "0..4")
        require(reserved == 0, "reserved RoPE field", reserved, 0)
        return Rope(RopeStyle(style), RopeScaling(scaling), dims, theta, tuple(parameters))


@dataclass(frozen=True)
class Geometry:
    """The shape of a model's KV cache.

    kv_source: for each layer the layer whose KV it reads; itself = it is stored.
    window: for each layer its sliding window in tokens, -1 = full attention.
    rope_of: for each layer its index in ropes.
    opaque_bytes: bytes of one layer of one full chunk when opaque or a state, else 0.
    """

    query_heads: int
    kv_heads: int
    key_dim: int
    value_dim: int
    dtype: Dtype
    kind: GeometryKind
    opaque_bytes: int
    ropes: tuple[Rope, ...]
    rope_of: tuple[int, ...]
    kv_source: tuple[int, ...]
    window: tuple[int, ...]

    def __post_init__(self) -> None:
        layers = len(self.kv_source)
        require(1 <= layers <= LAYERS_MAX, "layers", layers, f"1..{LAYERS_MAX}")
        require(len(self.rope_of) == layers, "length of rope_of", len(self.rope_of), layers)
        require(len(self.window) == layers, "length of window", len(self.window), layers)
        require(1 <= self.kv_heads <= 4096, "kv_heads", self.kv_heads, "1..4096")
        require(
            self.kv_heads <= self.query_heads <= 65535 and self.query_heads % self.kv_heads == 0,
            "query_heads",
            self.query_heads,
            f"a multiple of kv_heads = {self.kv_heads}",
        )
        require(1 <= self.key_dim <= 8192, "key_dim", self.key_dim, "1..8192")
        require(0 <= self.value_dim <= 8192, "value_dim", self.value_dim, "0..8192")
        opaque = self.is_opaque
        require(
            1 <= self.opaque_bytes <= 1 << 28 if opaque else self.opaque_bytes == 0,
            "opaque_bytes",
            self.opaque_bytes,
            "1..2^28" if opaque else "0 unless opaque or a state",
        )
        require(1 <= len(self.ropes) <= 255, "ropes", len(self.ropes), "1..255")
        for layer in range(layers):
            self._check_layer(layer, layers)

    def _check_layer(self, layer: int, layers: int) -> None:
        rope, source, window = self.rope_of[layer], self.kv_source[layer], self.window[layer]
        top = len(self.ropes) - 1
        require(0 <= rope <= top, f"rope_of[{layer}]", rope, f"0..{top}")
        dims = self.ropes[rope].rotary_dims
        require(dims <= self.key_dim, "rotary_dims", dims, f"at most key_dim = {self.key_dim}")
        require(
            0 <= source < layers and self.kv_source[source] == source,
            f"kv_source[{layer}]",
            source,
            "a stored layer",
        )
        require(window == -1 or window >= 1, f"window[{layer}]", window, "-1 or at least 1")

    @staticmethod
    def uniform(
        layers: int, query_heads: int, kv_heads: int, head_dim: int, dtype: Dtype, rope: Rope
    ) -> Geometry:
        """Full attention in every layer, one RoPE for all, no sharing: Llama and most others."""
        return Geometry(
            query_heads,
            kv_heads,
            head_dim,
            head_dim,
            dtype,
            GeometryKind.ATTENTION,
            0,
            (rope,),
            (0,) * layers,
            tuple(range(layers)),
            (-1,) * layers,
        )

    @property
    def layers(self) -> int:
        """Layers of the model, stored or not."""
        return len(self.kv_source)

    @property
    def is_state(self) -> bool:
        """Whether a chunk stands for all tokens up to its end, and is of no use for any others."""
        return self.kind == GeometryKind.STATE

    @property
    def is_opaque(self) -> bool:
        """Whether the bytes are a blob and not K and V tensors."""
        return self.kind in (GeometryKind.OPAQUE, GeometryKind.STATE)

    @cached_property
    def stored_layers(self) -> tuple[int, ...]:
        """The layers whose KV is stored, ascending."""
        return tuple(i for i, source in enumerate(self.kv_source) if source == i)

    def rope(self, layer: int) -> Rope:
        """RoPE of a model layer."""
        return self.ropes[self.rope_of[layer]]

    @property
    def elements_per_token(self) -> int:
        """Elements of K and V of one token over the stored layers."""
        return len(self.stored_layers) * self.kv_heads * (self.key_dim + self.value_dim)

    def decoded_bytes(self, tokens: int) -> int:
        """Bytes of K and V (or of the opaque layers) of a chunk with that many tokens."""
        if self.is_opaque:
            return self.opaque_bytes * len(self.stored_layers)
        return self.elements_per_token * self.dtype.bytes * tokens

    @cached_property
    def shape_digest(self) -> bytes:
        """SHA-256 of the canonical bytes with dtype 0: what a profile names."""
        return hashlib.sha256(replace(self, dtype=Dtype.F16).to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        layers = self.layers
        head = struct.pack(
            "<5HBBIB",
            layers,
            self.query_heads,
            self.kv_heads,
            self.key_dim,
            self.value_dim,
            self.dtype,
            self.kind,
            self.opaque_bytes,
            len(self.ropes),
        )
        return b"".join(
            (
                head,
                *(rope.to_bytes() for rope in self.ropes),
                bytes(self.rope_of),
                struct.pack(f"<{layers}H", *self.kv_source),
                struct.pack(f"<{layers}i", *self.window),
            )
        )

    @staticmethod
    def _read(reader: _Reader) -> Geometry:
        layers, *sizes = reader.take("<5H")
        require(1 <= layers <= LAYERS_MAX, "layers", layers, f"1..{LAYERS_MAX}")
        dtype, kind, opaque_bytes, ropes = reader.take("<BBIB")
        require(kind <= 3, "geometry kind", kind, "0..3")
        return Geometry(
            *sizes,
            Dtype.of(dtype),
            GeometryKind(kind),
            opaque_bytes,
            tuple(Rope._read(reader) for _ in range(ropes)),
            tuple(reader.bytes(layers)),
            reader.take(f"<{layers}H"),
            reader.take(f"<{layers}i"),
        )


@dataclass(frozen=True)
class Namespace:
    """Everything that makes a KV byte what it is: workers share chunks only if all is equal.

    model: SHA-256 that names the weights; adapter: that names the LoRA, zeros for none.
    layout: empty for K and V tensors, else the engine's layout, backend and instruction set.
    """

    model: bytes
    geometry: Geometry
    kind: NamespaceKind = NamespaceKind.ADAPTIVE
    chunk_tokens: int = CHUNK_TOKENS
    adapter: bytes = field(default=ZERO_DIGEST)
    key_scheme: str = KEY_SCHEME
    layout: str = ""

    def __post_init__(self) -> None:
        for name in ("model", "adapter"):
            size = len(getattr(self, name))
            require(size == DIGEST_BYTES, f"bytes of {name}", size, DIGEST_BYTES)
        require(
            1 <= self.chunk_tokens <= CHUNK_TOKENS_MAX,
            "chunk_tokens",
            self.chunk_tokens,
            f"1..{CHUNK_TOKENS_MAX}",
        )
        for name, least in (("key_scheme", 1), ("layout", 0)):
            size = len(getattr(self, name).encode())
            require(
                least <= size <= STRING_BYTES_MAX,
                f"bytes of {name}",
                size,
                f"{least}..{STRING_BYTES_MAX}",
            )
        require(
            self.kind == NamespaceKind.EXACT or not self.geometry.is_opaque,
            "namespace kind",
            self.kind.name,
            f"EXACT for a geometry of kind {self.geometry.kind.name}",
        )

    def exact(self) -> Namespace:
        """The same but bit-exact."""
        return replace(self, kind=NamespaceKind.EXACT)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes."""
        return hashlib.sha256(self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        scheme, layout = self.key_scheme.encode(), self.layout.encode()
        return b"".join(
            (
                struct.pack("<4sHBBH", b"KVNS", 1, self.kind, 0, self.chunk_tokens),
                self.model,
                self.adapter,
                struct.pack("<H", len(scheme)),
                scheme,
                struct.pack("<H", len(layout)),
                layout,
                self.geometry.to_bytes(),
            )
        )

    @staticmethod
    def parse(data: bytes) -> Namespace:
        """Read canonical bytes; raises InvalidRequestError for any other bytes."""
        require(len(data) <= NAMESPACE_BYTES_MAX, "namespace bytes", len(data), NAMESPACE_BYTES_MAX)
        reader = _Reader(data, "namespace")
        magic, version, kind, reserved, chunk_tokens = reader.take("<4sHBBH")
        require(magic == b"KVNS", "namespace magic", magic, b"KVNS")
        require(version == 1, "namespace version", version, "1 (a newer peer wrote it?)")
        require(kind <= 1, "namespace kind", kind, "0 or 1")
        require(reserved == 0, "reserved namespace field", reserved, 0)
        model, adapter = reader.bytes(DIGEST_BYTES), reader.bytes(DIGEST_BYTES)
        scheme, layout = reader.string(), reader.string()
        geometry = Geometry._read(reader)
        left = len(data) - reader.at
        require(left == 0, "bytes after the namespace", left, 0)
        kind = NamespaceKind(kind)
        return Namespace(model, geometry, kind, chunk_tokens, adapter, scheme, layout)


def token_array(tokens: Sequence[int] | np.ndarray) -> np.ndarray:
    """Token ids as contiguous u32, checked to be 0..2^31-1."""
    array = np.asarray(tokens)
    require(array.ndim == 1, "dimensions of tokens", array.ndim, 1)
    require(
        array.size == 0 or array.dtype.kind in "iu", "dtype of tokens", array.dtype, "integers"
    )
    if array.size:
        require(array.min() >= 0, "token id", array.min(), "0 or more")
        require(array.max() <= TOKEN_ID_MAX, "token id", array.max(), f"at most {TOKEN_ID_MAX}")
    return np.ascontiguousarray(array, dtype="<u4")


def token_digest(tokens: Sequence[int] | np.ndarray) -> bytes:
    """SHA-256 of a chunk's tokens alone, which proves what its frame was made from."""
    return hashlib.sha256(token_array(tokens).tobytes()).digest()


def next_key(parent: bytes, tokens: Sequence[int] | np.ndarray, extra: bytes = b"") -> bytes:
    """Key of the chunk that holds `tokens` after `parent`."""
    return hashlib.sha256(parent + token_array(tokens).tobytes() + extra).digest()


def chunk_keys(
    namespace: Namespace, tokens: Sequence[int] | np.ndarray, with_rest: bool = False
) -> list[bytes]:
    """Keys of the full chunks of `tokens`, and of a last shorter one if `with_rest`."""
    array, size = token_array(tokens), namespace.chunk_tokens
    end = len(array) if with_rest else len(array) // size * size
    keys, parent = [], namespace.digest
    for start in range(0, end, size):
        parent = next_key(parent, array[start : min(start + size, end)])
        keys.append(parent)
    return keys
