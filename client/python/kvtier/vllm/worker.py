"""The worker's side: loads into the engine's blocks, and saves from them, beside the engine.

Nothing here raises into the engine once it runs: what cannot be loaded is reported as failed
blocks, what cannot be saved is dropped, and both are counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kvtier.client import Match, empty_tensors
from kvtier.crc import crc32c
from kvtier.deadline import Deadline
from kvtier.decoder import decode_chunk, frame_segments
from kvtier.encoder import ChunkId
from kvtier.errors import KvtierError
from kvtier.frame import read_header
from kvtier.identity import Namespace
from kvtier.tier import Block, Tier, foreign_key
from kvtier.vllm.blocks import Blocks
from kvtier.vllm.breaker import Breaker
from kvtier.vllm.tasks import LoadTask, Report, SaveTask, Step

logger = logging.getLogger("vllm.kvtier.worker")
LOADS_MAX = 2
"""Loads at once: decoding is what they spend their time with."""
RECENT_SAVES = 65536
IDLE_SECONDS = 0.01
"""How long a step with nothing to compute waits for a load: engines ask again at once, and a
thread that spins takes the interpreter away from those that load."""
PREFILL_TOKENS_MIN = 64
"""Prompt tokens of a step whose speed is worth noting."""
BEHIND_MAX = 0.1
_SMOOTHING = 0.3


class _Pace:
    """Ends a load that falls behind computing by more than a tenth of what all of it would take.

    After c of n chunks, computing the rest takes (n - c)/n of the whole; so a load that is stopped
    when it is later than c/n + 0.1 of it leaves a request at most a tenth later than without it.
    """

    def __init__(self, cancel: Callable[[], None], recompute_seconds: float, chunks: int) -> None:
        self._cancel, self._whole, self._chunks = cancel, recompute_seconds, max(chunks, 1)
        self._began = time.monotonic()
        self._timer: threading.Timer | None = None

    def arm(self, done: int) -> None:
        """So many chunks are there: the next has until the pace of computing, and the slack."""
        if self._timer is not None:
            self._timer.cancel()
        if self._whole and done < self._chunks:
            until = self._began + self._whole * (done / self._chunks + BEHIND_MAX)
            self._timer = threading.Timer(max(until - time.monotonic(), 0.0), self._cancel)
            self._timer.daemon = True
            self._timer.start()

    def __enter__(self) -> _Pace:
        self.arm(0)
        return self

    def __exit__(self, *error: object) -> None:
        self._whole = 0.0
        self.arm(0)


class WorkerSide:
    """One rank's worker side. `blocks` and `space` belong together: opaque or K and V.

    measures_prefill: whether a step's wall time is that of its computing, as on CPUs.
    """

    def __init__(
        self,
        tier: Tier,
        space: Namespace,
        blocks: Blocks,
        rank: int = 0,
        measures_prefill: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tier, self._space, self._blocks, self._rank = tier, space, blocks, rank
        self._measures, self._clock = measures_prefill, clock
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._running = 0
        self._loads = ThreadPoolExecutor(LOADS_MAX, "kvtier-load")
        self._saves = ThreadPoolExecutor(1, "kvtier-save")
        self._readers: dict[str, Any] = {}
        self._cancelled: set[str] = set()
        self._received: set[str] = set()
        self._failed_blocks: set[int] = set()
        self._waiting_bytes = 0
        self._recent: OrderedDict[bytes, None] = OrderedDict()
        self._breaker = Breaker(tier.config.retry_after, clock)
        self._began = 0.0
        self._prefill_rate = 0.0
        self._counts: Counter[str] = Counter()
        self._closed = False

    def warm_up(self) -> None:
        """Compile what loads and saves run, so that no request waits for it."""
        space, tokens = self._space, np.zeros(self._space.chunk_tokens, "<u4")
        chunk, shape = ChunkId(foreign_key(space, b""), tokens, 0), space.geometry
        if shape.is_opaque:
            crc32c(b"warm up")
            return
        k, v = (np.ones_like(array) for array in empty_tensors(space, len(tokens)))
        header = read_header(frame := self._tier.encode(space, chunk, k, v))
        profile = self._tier.profile_for(space)
        decode_chunk(header, frame_segments(header, frame), profile, shape, k, v, tokens)

    # ---- steps

    def begin(self, step: Step) -> None:
        """A step begins: take back the loads that nobody waits for."""
        self._began = self._clock()
        for name in step.cancelled:
            with self._lock:
                self._cancelled.add(name)
                reader = self._readers.get(name)
            if reader is not None:
                reader.cancel()

    def load(self, step: Step, wait: bool) -> None:
        """Start the loads of a step, or do them when the step needs them to begin."""
        for task in step.loads:
            deadline = Deadline.after(task.seconds)
            with self._lock:
                self._running += 1
            future = self._loads.submit(self._load, task, deadline)
            if wait:
                future.result()

    def save(self, step: Step) -> None:
        """Copy what the step completed; encoding and sending go on beside the engine."""
        if self._measures and step.prefill_tokens >= PREFILL_TOKENS_MIN:
            rate = step.prefill_tokens / max(self._clock() - self._began, 1e-6)
            old = self._prefill_rate
            self._prefill_rate = old + _SMOOTHING * (rate - old) if old else rate
        config = self._tier.config
        size = self._space.geometry.decoded_bytes(self._space.chunk_tokens)
        for task in step.saves:
            key = foreign_key(self._space, task.chunk_id)
            if key in self._recent:
                continue
            with self._lock:
                full = self._waiting_bytes + size > config.save_bytes
                if full or self._breaker.is_open:
                    self._counts["dropped_chunks"] += 1
                    continue
                self._waiting_bytes += size
            self._note_saved(key)
            content = self._blocks.read(task.block_ids)
            self._saves.submit(self._save, key, task, content, size)

    def received(self, is_idle: bool = False) -> set[str]:
        """Requests whose load ended since the last call, in whatever way.

        An idle step waits a little for one, if any is under way.
        """
        with self._lock:
            if is_idle and self._running and not self._received:
                self._ended.wait(IDLE_SECONDS)
            out, self._received = self._received, set()
        return out

    def failed_blocks(self) -> set[int]:
        """Blocks of those requests that hold nothing."""
        with self._lock:
            out, self._failed_blocks = self._failed_blocks, set()
        return out

    def counts(self) -> dict[str, float]:
        """What was counted since the last call."""
        with self._lock:
            out, self._counts = dict(self._counts), Counter()
        return out

    def report(self) -> Report:
        """What the scheduler has to know of speeds."""
        goodput = self._tier.goodput
        return Report(goodput.bytes_per_second if goodput.samples else 0.0, self._prefill_rate)

    def drain(self) -> None:
        """Wait until everything that was saved so far is sent."""
        self._saves.submit(lambda: None).result()

    def close(self) -> None:
        """End loads, let the saves that wait go out within their time, and disconnect."""
        if self._closed:
            return
        self._closed = True
        with self._lock:
            readers = list(self._readers.values())
        for reader in readers:
            reader.cancel()
        self._loads.shutdown(wait=True, cancel_futures=True)
        self._saves.shutdown(wait=True)
        self._tier.close()

    # ---- threads of our own

    def _load(self, task: LoadTask, deadline: Deadline) -> None:
        per = self._space.chunk_tokens // self._block_tokens(task)
        chunks, began = 0, self._clock()
        try:
            chunks = self._fill(task, deadline, per)
        except Exception:
            logger.exception("kvtier: a load broke; its blocks are computed")
        first = self._first_chunk(task)
        for ref in task.refs[self._rank][:chunks]:
            self._note_saved(ref.key)  # it is there: no need to put it again
        good = max((first + chunks) * per, task.first_block)
        failed = set(task.block_ids[good:])
        with self._lock:
            self._readers.pop(task.request, None)
            self._cancelled.discard(task.request)
            self._failed_blocks |= failed
            self._received.add(task.request)
            self._running -= 1
            self._ended.notify_all()
            self._counts["loads"] += 1
            self._counts["loaded_chunks"] += chunks
            self._counts["failed_blocks"] += len(failed)
            self._counts["failed_loads"] += bool(failed)
            self._counts["load_ms"] += round(1e3 * (self._clock() - began))

    def _first_chunk(self, task: LoadTask) -> int:
        refs = task.refs[self._rank]
        return refs[0].first_position // self._space.chunk_tokens if refs else 0

    def _block_tokens(self, task: LoadTask) -> int:
        return len(task.tokens) // len(task.block_ids)

    def _fill(self, task: LoadTask, deadline: Deadline, per: int) -> int:
        """Load chunk by chunk; how many are in their blocks."""
        match, tier = Match(self._space, task.refs[self._rank], 0, task.tokens), self._tier
        opaque = self._space.geometry.is_opaque
        reader: Any = (
            tier.open_blocks(match, deadline=deadline)
            if opaque
            else tier.open(match, deadline=deadline)
        )
        with self._lock:
            if task.request in self._cancelled:
                return 0
            self._readers[task.request] = reader
        done = 0
        chunks: Iterable[Any] = reader
        with _Pace(reader.cancel, task.recompute_seconds, len(match.chunks)) as pace:
            for chunk in chunks:
                content = chunk.data if isinstance(chunk, Block) else (chunk.k, chunk.v)
                at = chunk.first_position // self._space.chunk_tokens * per
                ids = task.block_ids[at : at + per]
                self._blocks.write(content, ids, max(0, task.first_block - at))
                done += 1
                pace.arm(done)
        with self._lock:
            self._counts["loaded_bytes"] += reader.bytes
        if done < len(match.chunks):
            logger.warning(
                "kvtier: %d of %d chunks of request %s came (%s: %s); the rest is computed",
                done, len(match.chunks), task.request, reader.stop.value, reader.message,
            )
        return done

    def _save(self, key: bytes, task: SaveTask, content: Any, size: int) -> None:
        stored = 0
        try:
            if not self._breaker.is_open:
                stored = self._put(key, task, content)
                self._breaker.succeeded()
        except KvtierError as error:
            self._breaker.failed()
            logger.warning("kvtier: a chunk was not saved: %s", error)
        except Exception:
            logger.exception("kvtier: saving broke; the chunk is dropped")
        with self._lock:
            self._waiting_bytes -= size
            self._counts["saved_chunks" if stored else "dropped_chunks"] += 1
            self._counts["saved_bytes"] += stored
            if not stored:
                self._recent.pop(key, None)

    def _put(self, key: bytes, task: SaveTask, content: Any) -> int:
        """Store one chunk; the bytes of its frame, 0 when the node refused it."""
        frame = self._encode(ChunkId(key, task.tokens, task.first_position), content)
        config = self._tier.config
        until = Deadline.after(config.save_timeout)
        replies = self._tier.put_frames(
            self._space, iter([frame]), config.put_durability, deadline=until
        )
        if not replies or replies[0].status.name == "REJECTED":
            text = replies[0].message if replies else "no reply"
            logger.warning("kvtier: the node refused a chunk: %s", text)
            return 0
        return len(frame)

    def _encode(self, chunk: ChunkId, content: Any) -> bytes:
        if self._space.geometry.is_opaque:
            return self._tier.encode_block(self._space, chunk, content)
        return self._tier.encode(self._space, chunk, *content)

    def _note_saved(self, key: bytes) -> None:
        with self._lock:
            self._recent[key] = None
            if len(self._recent) > RECENT_SAVES:
                self._recent.popitem(last=False)
