"""The client of a kvtier node: put a prefix, find one, stream it back under a deadline.

    tier = Tier.connect("grpc://127.0.0.1:7420")
    tier.put(namespace, tokens, k, v)
    prefix = tier.get(namespace, tokens, deadline=0.5)
    prefix.k, prefix.v, prefix.tokens

K and V are numpy arrays `[stored layers, tokens, KV heads, dim]`, float16, float32 or bfloat16 as
uint16. A `Tier` may be used by several threads at once.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import pyarrow as pa
from pyarrow import flight

from kvtier.credentials import NO_CREDENTIALS, Credentials
from kvtier.data_free import data_free, data_free_id
from kvtier.deadline import Deadline
from kvtier.decoder import decode_chunk
from kvtier.encoder import ChunkId, encode_chunk
from kvtier.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    KvtierError,
    UnavailableError,
    require,
)
from kvtier.fetch import ChunkRef, FetchedChunk, PrefixFetch, Stop, stop_of
from kvtier.flight_errors import flight_errors
from kvtier.goodput import Goodput
from kvtier.identity import Namespace, NamespaceKind, chunk_keys, token_array, token_digest
from kvtier.plan import BEST, Grade
from kvtier.profile import Profile, parse
from kvtier.stream import SegmentStream
from kvtier.wire import (
    KEYS_MAX,
    ChunkDirectory,
    Durability,
    LookupCommand,
    LookupReply,
    ProfilePiece,
    PutCommand,
    PutReply,
)

GET_SECONDS = 10.0
PUT_SECONDS = 60.0
STREAMS_IDLE_MAX = 4
PROFILE_PIECE_BYTES = 2 << 20
FRAME_SCHEMA = pa.schema([pa.field("frame", pa.binary(), nullable=False)])
_DECODE_SECONDS_COLD = 0.02


def _deadline(value: float | Deadline) -> Deadline:
    return value if isinstance(value, Deadline) else Deadline.after(value)


@dataclass(frozen=True)
class Match:
    """The longest prefix of the tokens `ids` that a node holds: one directory a chunk, in order."""

    namespace: Namespace
    chunks: tuple[ChunkRef, ...]
    bytes_per_second: int
    ids: np.ndarray = field(repr=False, compare=False)

    @property
    def tokens(self) -> int:
        """Tokens of the prefix; of a state, those that it stands for."""
        if self.namespace.geometry.is_state and self.chunks:
            return self.chunks[-1].first_position + self.chunks[-1].tokens
        return sum(chunk.tokens for chunk in self.chunks)


@dataclass(frozen=True)
class DecodedChunk:
    """One chunk of a prefix: K and V of its tokens, and the grade that they were decoded at."""

    index: int
    first_position: int
    tokens: int
    grade: Grade
    k: np.ndarray
    v: np.ndarray


@dataclass
class Prefix:
    """What a get delivered: K and V of the first `tokens` tokens, never with a gap.

    hit, admitted, delivered: tokens that the node holds, that the plan had time for, that are
    here. stop and message say why it is not more.
    """

    k: np.ndarray
    v: np.ndarray
    hit: int = 0
    admitted: int = 0
    delivered: int = 0
    grades: list[Grade] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0
    stop: Stop = Stop.MISS
    message: str = ""

    @property
    def tokens(self) -> int:
        """Tokens delivered."""
        return self.delivered


class Tier:
    """A connection to one node."""

    def __init__(
        self,
        location: str,
        profiles: Sequence[Profile] = (),
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        self._location = location
        self._headers = credentials.headers()
        with flight_errors(location):
            self._client = flight.FlightClient(location, **credentials.tls())
        self._lock = threading.Lock()
        self._idle: dict[bytes, list[SegmentStream]] = {}
        self._profiles = {profile.id: profile for profile in profiles}
        self._decode_seconds = _DECODE_SECONDS_COLD
        self.goodput = Goodput()

    @staticmethod
    def connect(
        location: str,
        profiles: Sequence[Profile] = (),
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Tier:
        """Connect to `grpc://` or `grpc+tls://host:port`; `profiles`: those at hand already."""
        return Tier(location, profiles, credentials)

    def close(self) -> None:
        """End all streams and the connection."""
        with self._lock:
            streams = [stream for idle in self._idle.values() for stream in idle]
            self._idle.clear()
        for stream in streams:
            stream.close()
        self._client.close()

    def __enter__(self) -> Tier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def put(
        self,
        namespace: Namespace,
        tokens: Sequence[int] | np.ndarray,
        k: np.ndarray,
        v: np.ndarray,
        *,
        profile: Profile | None = None,
        durability: Durability = Durability.MEMORY,
        copies: int = 1,
        with_rest: bool = False,
        deadline: float | Deadline = PUT_SECONDS,
    ) -> list[PutReply]:
        """Store the chunks of a sequence that starts at position 0; one reply a chunk.

        A last chunk that is not full is left out unless `with_rest`. Adaptive namespaces use
        `profile`, by default the data-free one. Raises a KvtierError when a call fails or the
        deadline passes; a frame that the node rejects is a reply.
        """
        until, ids, size = _deadline(deadline), token_array(tokens), namespace.chunk_tokens
        for name, array in (("k", k), ("v", v)):
            rank = array.ndim
            require(rank == 4, f"dimensions of {name}", rank, "[layers, tokens, heads, dim]")
            count = array.shape[1]
            require(count == len(ids), f"tokens of {name}", count, f"{len(ids)}, as in tokens")
        if namespace.kind == NamespaceKind.ADAPTIVE:
            profile = profile or data_free(namespace.geometry)
            self.use(profile)
        keys = chunk_keys(namespace, ids, with_rest)

        def frames() -> Iterator[bytes]:
            for index, key in enumerate(keys):
                at = slice(index * size, min((index + 1) * size, len(ids)))
                name = ChunkId(key, ids[at], at.start)
                yield encode_chunk(namespace, profile, name, k[:, at], v[:, at])

        return self.put_frames(namespace, frames(), durability, copies, until)

    def put_frames(
        self,
        namespace: Namespace,
        frames: Iterator[bytes],
        durability: Durability = Durability.MEMORY,
        copies: int = 1,
        deadline: float | Deadline = PUT_SECONDS,
    ) -> list[PutReply]:
        """Store frames as they are; one reply a frame, in order."""
        until = _deadline(deadline)
        until.check("a put")
        command = PutCommand(durability, copies, namespace).to_bytes()
        descriptor = flight.FlightDescriptor.for_command(command)
        replies = []
        with flight_errors(self._location):
            writer, reader = self._client.do_put(descriptor, FRAME_SCHEMA, self._options(until))
            try:
                sent = 0
                for frame in frames:
                    until.check("the next frame of a put")
                    row = pa.array([frame], pa.binary())
                    writer.write_batch(pa.record_batch([row], schema=FRAME_SCHEMA))
                    sent += 1
                writer.done_writing()
                while len(replies) < sent:
                    data = reader.read()
                    if data is None:
                        break
                    replies.append(PutReply.parse(data.to_pybytes()))
            finally:
                writer.close()
        return replies

    def match(
        self,
        namespace: Namespace,
        tokens: Sequence[int] | np.ndarray,
        *,
        deadline: float | Deadline = GET_SECONDS,
    ) -> Match:
        """Which prefix of the tokens, or the state of all, the node holds; else a KvtierError."""
        until, ids, size = _deadline(deadline), token_array(tokens), namespace.chunk_tokens
        keys = chunk_keys(namespace, ids, with_rest=True)
        first = len(keys) - 1 if namespace.geometry.is_state and keys else 0
        keys = keys[first : first + KEYS_MAX]
        command = LookupCommand(namespace.digest, tuple(keys)).to_bytes()
        started = time.monotonic()
        reply = LookupReply.parse(self._action("lookup", command, until))
        self.goodput.round_trip_seconds = time.monotonic() - started
        self.goodput.hint(reply.bytes_per_second)
        matched = len(reply.chunks)
        require(matched <= len(keys), "matched chunks", matched, f"up to {len(keys)}")
        refs = []
        for index, directory in enumerate(reply.chunks):
            start = (first + index) * size
            part = ids[start : start + size]
            _check_directory(directory, start, len(part))
            refs.append(ChunkRef(keys[index], token_digest(part), start, len(part), directory))
        return Match(namespace, tuple(refs), reply.bytes_per_second, ids)

    def open(
        self,
        match: Match,
        *,
        deadline: float | Deadline = GET_SECONDS,
        grade_max: Grade = BEST,
        out: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> PrefixReader:
        """Stream a match: an iterable of `DecodedChunk`, in order.

        out: K and V of at least `match.tokens` tokens to decode into, else arrays of each chunk.
        """
        return PrefixReader(self, match, _deadline(deadline), grade_max, out)

    def get(
        self,
        namespace: Namespace,
        tokens: Sequence[int] | np.ndarray,
        *,
        deadline: float | Deadline = GET_SECONDS,
        grade_max: Grade = BEST,
    ) -> Prefix:
        """K and V of the longest prefix that can be here, decoded, by the deadline.

        Never raises for what can be a miss: the result says what was delivered and why not more.
        Raises InvalidRequestError for mistakes of the caller.
        """
        started, until = time.monotonic(), _deadline(deadline)
        geometry = namespace.geometry
        require(not geometry.is_opaque, "geometry kind", geometry.kind.name, "K and V tensors")
        try:
            match = self.match(namespace, tokens, deadline=until)
        except InvalidRequestError:
            raise
        except KvtierError as error:
            k, v = empty_tensors(namespace, 0)
            return Prefix(k, v, stop=stop_of(error), message=str(error))
        k, v = empty_tensors(namespace, match.tokens)
        reader = self.open(match, deadline=until, grade_max=grade_max, out=(k, v))
        grades = [chunk.grade for chunk in reader]
        delivered = sum(chunk.tokens for chunk in match.chunks[: len(grades)])
        admitted = sum(chunk.tokens for chunk in match.chunks[: reader.admitted])
        return Prefix(
            k[:, :delivered],
            v[:, :delivered],
            match.tokens,
            admitted,
            delivered,
            grades,
            reader.bytes,
            time.monotonic() - started,
            reader.stop,
            reader.message,
        )

    def use(self, profile: Profile) -> None:
        """Make a profile known, so that its frames decode without asking the node for it."""
        with self._lock:
            self._profiles[profile.id] = profile

    def put_profile(self, file: bytes, *, deadline: float | Deadline = PUT_SECONDS) -> None:
        """Store a profile's file on the node."""
        until, digest = _deadline(deadline), hashlib.sha256(file).digest()
        result = b""
        for offset in range(0, len(file), PROFILE_PIECE_BYTES):
            piece = file[offset : offset + PROFILE_PIECE_BYTES]
            message = ProfilePiece(digest, len(file), offset, piece)
            result = self._action("put-profile", message.to_bytes(), until)
        require(result == digest, "id of the stored profile", result.hex(), digest.hex())

    def profile(
        self, profile_id: bytes, namespace: Namespace, deadline: float | Deadline = GET_SECONDS
    ) -> Profile:
        """The profile of an id: data-free, known already, or fetched from the node."""
        geometry = namespace.geometry
        if profile_id == data_free_id(geometry):
            return data_free(geometry)
        with self._lock:
            known = self._profiles.get(profile_id)
        if known is None:
            file = self._action("get-profile", profile_id, _deadline(deadline))
            if not file:
                raise UnavailableError(
                    f"{self._location} has no profile {profile_id.hex()[:8]}: put it, or pass it "
                    "to Tier.connect"
                )
            known = parse(file, geometry)
            same = known.id == profile_id
            require(same, "profile of the node", known.id.hex()[:8], profile_id.hex()[:8])
            self.use(known)
        return known

    def stats(self, *, deadline: float | Deadline = GET_SECONDS) -> str:
        """The node's counters, as JSON text."""
        return self._action("stats", b"", _deadline(deadline)).decode()

    def _action(self, name: str, body: bytes, deadline: Deadline) -> bytes:
        deadline.check(name)
        with flight_errors(self._location):
            action = flight.Action(name, body)
            results = list(self._client.do_action(action, self._options(deadline)))
        return b"".join(result.body.to_pybytes() for result in results)

    def _options(self, deadline: Deadline) -> flight.FlightCallOptions:
        left = deadline.left
        # a gRPC timeout of zero means none
        return flight.FlightCallOptions(timeout=min(max(left, 1e-3), 1e6), headers=self._headers)

    def _take_stream(self, namespace: bytes) -> SegmentStream:
        with self._lock:
            idle = self._idle.get(namespace, [])
            while idle:
                stream = idle.pop()
                if stream.failure is None:
                    return stream
        return SegmentStream(self._client, namespace, self._location, self._headers)

    def _give_stream(self, namespace: bytes, stream: SegmentStream) -> None:
        with self._lock:
            idle = self._idle.setdefault(namespace, [])
            if stream.failure is None and len(idle) < STREAMS_IDLE_MAX:
                idle.append(stream)
                return
        stream.close()

    def _note_decode(self, seconds: float) -> None:
        self._decode_seconds += 0.25 * (seconds - self._decode_seconds)


class PrefixReader:
    """Iterates over the decoded chunks of a match; afterwards says why it ended.

    Errors of the node end the prefix and are told by `stop` and `message`; only mistakes of the
    caller are raised.
    """

    def __init__(
        self,
        tier: Tier,
        match: Match,
        deadline: Deadline,
        grade_max: Grade,
        out: tuple[np.ndarray, np.ndarray] | None,
    ) -> None:
        self._tier, self._match, self._deadline = tier, match, deadline
        self._grade_max, self._out = grade_max, out
        if out is not None:
            for array in out:
                room = array.shape[1] if array.ndim == 4 else 0
                require(room >= match.tokens, "tokens of out", room, f"at least {match.tokens}")
        self.stop, self.message = (Stop.COMPLETE, "") if match.chunks else (Stop.MISS, "no match")
        self.admitted = 0
        self.bytes = 0
        self._stream: SegmentStream | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """End the iteration, from any thread: what was yielded stays, `stop` is UNAVAILABLE."""
        self._cancelled = True
        stream = self._stream
        if stream is not None:
            stream.fail(UnavailableError("the read was cancelled"))

    def __iter__(self) -> Iterator[DecodedChunk]:
        if not self._match.chunks:
            return
        space = self._match.namespace
        try:
            stream = self._tier._take_stream(space.digest)
        except KvtierError as error:
            self.stop, self.message = stop_of(error), str(error)
            return
        self._stream = stream
        if self._cancelled:
            self.cancel()
        fetch = PrefixFetch(
            space, self._match.chunks, stream, self._tier.goodput, self._deadline,
            self._tier._decode_seconds, self._grade_max,
        )
        chunks = iter(fetch)
        failed: KvtierError | None = None
        try:
            for index, chunk in enumerate(chunks):
                if self._deadline.left < self._tier._decode_seconds:
                    text = f"no time left to decode chunk {index}"
                    failed = DeadlineExceededError(text)
                    break
                try:
                    decoded = self._decode(index, chunk)
                except KvtierError as error:
                    failed = error
                    break
                yield decoded
        finally:
            self._stream = None
            fetch.cancel()
            self._tier._give_stream(space.digest, stream)
            self.admitted, self.bytes = fetch.admitted, fetch.bytes
            self.stop, self.message = fetch.stop, fetch.message
            if failed is not None:
                self.stop, self.message = stop_of(failed), str(failed)

    def _decode(self, index: int, chunk: FetchedChunk) -> DecodedChunk:
        space, ref, header = self._match.namespace, chunk.ref, chunk.header
        assert header is not None
        adaptive = space.kind == NamespaceKind.ADAPTIVE
        profile = None
        if adaptive:
            profile = self._tier.profile(header.profile, space, self._deadline)
        at = slice(ref.first_position, ref.first_position + ref.tokens)
        if self._out is None:
            k, v = empty_tensors(space, ref.tokens)
        else:
            k, v = self._out[0][:, at], self._out[1][:, at]
        started = time.monotonic()
        segments, ids = chunk.usable_segments(), self._match.ids[at]
        decode_chunk(header, segments, profile, space.geometry, k, v, ids)
        self._tier._note_decode(time.monotonic() - started)
        return DecodedChunk(index, ref.first_position, ref.tokens, chunk.grade, k, v)


def empty_tensors(namespace: Namespace, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Uninitialized K and V of so many tokens."""
    geometry = namespace.geometry
    shape = (len(geometry.stored_layers), tokens, geometry.kv_heads)
    dims, dtype = (geometry.key_dim, geometry.value_dim), geometry.dtype.numpy
    return np.empty((*shape, dims[0]), dtype), np.empty((*shape, dims[1]), dtype)


def _check_directory(directory: ChunkDirectory, first_position: int, tokens: int) -> None:
    """Refuse an answer about other tokens than those that were asked for."""
    got = (directory.first_position, directory.tokens)
    require(got == (first_position, tokens), "chunk of a lookup", got, (first_position, tokens))
