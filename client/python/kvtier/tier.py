"""The tier as a worker sees it: configured, with tensors of either library, or with opaque blocks.

    tier = Tier.connect()                                   # file, environment, defaults
    tier = Tier.connect("grpc://10.0.0.7:7420", profile="model.kvp")
    match = tier.match(namespace, tokens)
    async for chunk in tier.open(match, deadline=0.5, out=(k, v)): ...

Everything of `kvtier.client.Tier` is here, too. Reads do not raise for what can be a miss.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kvtier import client
from kvtier.client import DecodedChunk, Match, PrefixReader
from kvtier.config import TierConfig
from kvtier.credentials import Credentials
from kvtier.data_free import data_free
from kvtier.deadline import Deadline
from kvtier.decoder import decode_opaque
from kvtier.encoder import ChunkId, encode_chunk, encode_opaque
from kvtier.errors import InvalidRequestError, require, trust
from kvtier.fetch import ChunkRef, FetchedChunk, Stop
from kvtier.identity import Geometry, Namespace, NamespaceKind, token_array, token_digest
from kvtier.plan import BEST, Grade
from kvtier.profile import Profile, parse
from kvtier.tensors import copy_into, to_numpy, view_for_writing
from kvtier.wire import KEYS_MAX, LookupCommand, LookupReply, PutReply


def foreign_key(namespace: Namespace, chunk_id: bytes) -> bytes:
    """Key of a chunk that an engine names by an id of its own, such as a chained block hash.

    The namespace is mixed in: an engine's ids do not say whose weights they are of.
    """
    return hashlib.sha256(namespace.digest + chunk_id).digest()


def read_profile(path: str | Path, geometry: Geometry | None = None) -> Profile:
    """The profile in a file; raises InvalidRequestError with the path when it cannot be read."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InvalidRequestError(
            f"profile {path} cannot be read ({error.strerror}), expected a file that "
            "`python -m kvtier.calibrate` made"
        ) from None
    return parse(data, geometry)


@dataclass(frozen=True)
class Block:
    """One opaque chunk: bytes u8 `[stored layers, opaque_bytes]` of so many tokens."""

    index: int
    first_position: int
    tokens: int
    data: np.ndarray


class ChunkReader:
    """Iterates, or iterates asynchronously, over the decoded chunks of a match, once.

    Afterwards `stop` and `message` say why it ended. With `out` tensors on a device, each chunk is
    copied there when it is decoded.
    """

    def __init__(self, reader: PrefixReader, device: tuple[Any, Any] | None = None) -> None:
        self._reader, self._device = reader, device

    @property
    def stop(self) -> Stop:
        """Why it ended."""
        return self._reader.stop

    @property
    def message(self) -> str:
        """The same in words."""
        return self._reader.message

    @property
    def bytes(self) -> int:
        """Bytes received."""
        return self._reader.bytes

    @property
    def admitted(self) -> int:
        """Chunks that the plan had time for."""
        return self._reader.admitted

    def cancel(self) -> None:
        """End the read from any thread; what was yielded stays valid."""
        self._reader.cancel()

    def __iter__(self) -> Iterator[DecodedChunk]:
        for chunk in self._reader:
            if self._device is not None:
                at = slice(chunk.first_position, chunk.first_position + chunk.tokens)
                for tensor, values in zip(self._device, (chunk.k, chunk.v)):
                    copy_into(tensor[:, at], values)
            yield chunk

    async def __aiter__(self) -> AsyncIterator[DecodedChunk]:
        chunks, loop = iter(self), asyncio.get_running_loop()
        try:
            while True:
                step = loop.run_in_executor(None, next, chunks, None)
                try:
                    chunk = await asyncio.shield(step)
                except asyncio.CancelledError:
                    self.cancel()
                    await asyncio.wait([step])  # the thread has to be out of the generator
                    raise
                if chunk is None:
                    return
                yield chunk
        finally:
            self.cancel()
            close = getattr(chunks, "close", None)
            if close is not None:
                close()


class BlockReader(PrefixReader):
    """Iterates over the opaque blocks of a match."""

    def __iter__(self) -> Iterator[Block]:  # type: ignore[override]
        for chunk in super().__iter__():
            yield Block(chunk.index, chunk.first_position, chunk.tokens, chunk.k)

    def _decode(self, index: int, chunk: FetchedChunk) -> DecodedChunk:
        geometry, ref, header = self._match.namespace.geometry, chunk.ref, chunk.header
        assert header is not None
        data = np.empty((len(geometry.stored_layers), geometry.opaque_bytes), np.uint8)
        layers = decode_opaque(header, chunk.usable_segments(), geometry, data)
        trust(len(layers) == len(data), f"layers of chunk {index}", len(data), len(layers))
        return DecodedChunk(index, ref.first_position, ref.tokens, chunk.grade, data, data)


class Tier(client.Tier):
    """A worker's connection to the tier."""

    def __init__(self, config: TierConfig, profiles: Sequence[Profile] = ()) -> None:
        known = list(profiles)
        self.profile_of_config: Profile | None = None
        if config.profile:
            self.profile_of_config = read_profile(config.profile)
            known.append(self.profile_of_config)
        credentials = Credentials(
            config.token_file, config.tls_ca, config.tls_cert, config.tls_key
        )
        super().__init__(config.node, known, credentials)
        self.config = config

    @staticmethod
    def connect(  # type: ignore[override]
        config: TierConfig | str | None = None, profiles: Sequence[Profile] = (), **keywords: Any
    ) -> Tier:
        """Connect as configured; a text is the node's location.

        Keywords are those of `TierConfig` and win over everything else. Raises InvalidRequestError
        for a configuration that cannot be meant; a node that is down is not one.
        """
        if isinstance(config, TierConfig):
            return Tier(replace(config, **keywords), profiles)
        if config is not None:
            keywords["node"] = config
        return Tier(TierConfig.load(**keywords), profiles)

    def put(  # type: ignore[override]
        self,
        namespace: Namespace,
        tokens: Sequence[int] | np.ndarray,
        k: Any,
        v: Any,
        *,
        profile: Profile | None = None,
        **options: Any,
    ) -> list[PutReply]:
        """Store K and V, numpy or torch, `[layers, tokens, KV heads, dim]`; see the client's put.

        Adaptive namespaces use `profile`, or that of the configuration if it fits.
        """
        profile = profile or self.profile_for(namespace)
        options.setdefault("durability", self.config.put_durability)
        options.setdefault("deadline", self.config.save_timeout)
        k, v = to_numpy(k, "k"), to_numpy(v, "v")
        return super().put(namespace, tokens, k, v, profile=profile, **options)

    def open(  # type: ignore[override]
        self,
        match: Match,
        *,
        deadline: float | Deadline | None = None,
        grade_max: Grade | None = None,
        out: tuple[Any, Any] | None = None,
        **options: Any,
    ) -> ChunkReader:
        """Stream a match, in order; `out` are K and V tensors of at least its tokens to fill.

        Without `out` each chunk brings numpy arrays of its own. Deadline and grade are by default
        those of the configuration.
        """
        geometry = match.namespace.geometry
        require(not geometry.is_opaque, "geometry kind", geometry.kind.name, "K and V tensors")
        views, device = None, None
        if out is not None:
            first, second = (view_for_writing(tensor) for tensor in out)
            if first is not None and second is not None:
                views = (first, second)
            else:
                device = out
        deadline = self.config.load_timeout if deadline is None else deadline
        grade_max = self.grade(match.namespace) if grade_max is None else grade_max
        reader = super().open(match, deadline=deadline, grade_max=grade_max, out=views, **options)
        return ChunkReader(reader, device)  # type: ignore[arg-type]

    def grade(self, namespace: Namespace) -> Grade:
        """The best grade that a read asks for by the configuration's level."""
        name, profile = self.config.level, self.profile_of_config
        if name == "best" or namespace.kind == NamespaceKind.EXACT:
            return BEST
        levels = {level.name: level for level in profile.levels} if profile else {}
        known = ", ".join(["best", *levels])
        require(name in levels, "level", repr(name), f"one of the profile's: {known}")
        level = levels[name]
        return Grade(max(level.far_rung, level.last_rung), level.tail_rung)

    def match_ids(
        self,
        namespace: Namespace,
        ids: Sequence[bytes],
        tokens: Sequence[int] | np.ndarray,
        *,
        first_chunk: int = 0,
        deadline: float | Deadline | None = None,
    ) -> Match:
        """Which of the chunks from `first_chunk` on, named by foreign ids, the node holds.

        tokens: of the whole sequence, of which chunk i has those from i x chunk_tokens on; ids: one
        for each chunk from first_chunk on. Raises a KvtierError when the node can't say.
        """
        deadline = self.config.lookup_timeout if deadline is None else deadline
        until = deadline if isinstance(deadline, Deadline) else Deadline.after(deadline)
        ids, size, array = ids[:KEYS_MAX], namespace.chunk_tokens, token_array(tokens)
        needed = (first_chunk + len(ids)) * size
        require(needed <= len(array), "tokens", len(array), f"{needed}, full chunks for all ids")
        keys = [foreign_key(namespace, chunk_id) for chunk_id in ids]
        command = LookupCommand(namespace.digest, tuple(keys)).to_bytes()
        reply = LookupReply.parse(self._action("lookup", command, until))
        self.goodput.hint(reply.bytes_per_second)
        held = len(reply.chunks)
        require(held <= len(keys), "matched chunks", held, f"up to {len(keys)}")
        refs = []
        for index, directory in enumerate(reply.chunks):
            start = (first_chunk + index) * size
            got = (directory.first_position, directory.tokens)
            require(got == (start, size), "chunk of a lookup", got, (start, size))
            digest = token_digest(array[start : start + size])
            refs.append(ChunkRef(keys[index], digest, start, size, directory))
        return Match(namespace, tuple(refs), reply.bytes_per_second, array)

    def open_blocks(self, match: Match, *, deadline: float | Deadline) -> BlockReader:
        """Stream the opaque blocks of a match: an iterable of `Block`, in order."""
        until = deadline if isinstance(deadline, Deadline) else Deadline.after(deadline)
        return BlockReader(self, match, until, BEST, None)

    def profile_for(self, namespace: Namespace) -> Profile | None:
        """What encodes chunks of a namespace: the configuration's profile if it fits."""
        if namespace.kind != NamespaceKind.ADAPTIVE:
            return None
        own = self.profile_of_config
        if own is not None and own.shape == namespace.geometry.shape_digest:
            return own
        return data_free(namespace.geometry)

    def encode(self, namespace: Namespace, chunk: ChunkId, k: Any, v: Any) -> bytes:
        """The frame of one chunk's K and V, as `put` makes it."""
        profile = self.profile_for(namespace)
        if profile is not None:
            self.use(profile)
        return encode_chunk(namespace, profile, chunk, to_numpy(k, "k"), to_numpy(v, "v"))

    def encode_block(self, namespace: Namespace, chunk: ChunkId, data: np.ndarray) -> bytes:
        """The frame of one opaque block."""
        return encode_opaque(namespace, chunk, data)

    def put_blocks(
        self, namespace: Namespace, chunks: Iterable[tuple[ChunkId, np.ndarray]]
    ) -> list[PutReply]:
        """Store opaque blocks u8 `[stored layers, opaque_bytes]`; one reply a block."""
        frames = (encode_opaque(namespace, chunk, data) for chunk, data in chunks)
        config = self.config
        until = Deadline.after(config.save_timeout)
        return self.put_frames(namespace, frames, config.put_durability, deadline=until)
