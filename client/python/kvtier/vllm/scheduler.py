"""The scheduler's side: which chunks to load, when to save, and what a request may still expect.

Knows vLLM's requests by their attributes only. A call waits for a node `PATIENCE` seconds
at most: the lookup goes on beside the scheduler, which is told to ask again.
"""

from __future__ import annotations

import enum
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from kvtier.client import Match
from kvtier.deadline import Deadline
from kvtier.errors import KvtierError
from kvtier.fetch import ChunkRef
from kvtier.identity import Namespace
from kvtier.vllm.breaker import Breaker
from kvtier.vllm.tasks import LoadTask, Report, SaveTask, Step

logger = logging.getLogger("vllm.kvtier.scheduler")
PATIENCE = 0.005
LOOKUPS_MAX = 4


class Lookup(Protocol):
    """The part of a `Tier` that the scheduler needs."""

    def match_ids(
        self,
        namespace: Namespace,
        ids: Sequence[bytes],
        tokens: np.ndarray,
        *,
        first_chunk: int,
        deadline: Deadline,
    ) -> Match: ...


class LoadState(enum.Enum):
    """How far the load of a request is."""

    NONE = 0
    RUNNING = 1
    LOADED = 2
    FAILED = 3


@dataclass(eq=False)
class _Tracked:
    """What is known of one request. saved: chunks that the tier has, or was given."""

    request: Any
    local_tokens: int = 0
    saved: int = 0
    state: LoadState = LoadState.NONE
    lookup: Future[list[Match]] | None = None
    first_chunk: int = 0
    blocks: tuple[int, ...] = ()
    adapter: bytes = b""
    ids: list[bytes] = field(default_factory=list)


class SchedulerSide:
    """One engine's scheduler side.

    chunk_tokens is a multiple of block_tokens, the engine's block, and of hash_tokens, which one of
    the engine's hashes covers. adapter_of gives what names a request's LoRA, b"" for none.
    """

    def __init__(
        self,
        tier: Lookup,
        chunk_tokens: int,
        block_tokens: int,
        hash_tokens: int,
        adapter_of: Callable[[Any], bytes] = lambda request: b"",
        async_load: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        config = tier.config  # type: ignore[attr-defined]
        self._tier, self._config, self._clock = tier, config, clock
        self._chunk, self._block, self._hash = chunk_tokens, block_tokens, hash_tokens
        self._adapter_of, self._async = adapter_of, async_load
        self._spaces: list[Namespace] = []
        self._requests: dict[str, _Tracked] = {}
        self._pending: list[LoadTask] = []
        self._loading: dict[str, _Tracked] = {}
        self._cancelled: list[str] = []
        self._breaker = Breaker(config.retry_after, clock)
        self._pool = ThreadPoolExecutor(LOOKUPS_MAX, "kvtier-lookup")
        self._report = Report()
        self._counts: Counter[str] = Counter()

    def set_spaces(self, spaces: Sequence[Namespace]) -> None:
        """The namespace of each rank, as the workers found it; before that everything is a miss."""
        self._spaces = list(spaces)
        # the connection is made, and code compiled, before the first request waits for it
        patient = Deadline.after(self._config.load_timeout)
        self._pool.submit(self._look_up, [], np.empty(0, "<u4"), 0, patient)

    def counts(self) -> dict[str, float]:
        """What was counted since the last call."""
        out, self._counts = dict(self._counts), Counter()
        return out

    def close(self) -> None:
        """Take no more lookups."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # ---- admission

    def matched(self, request: Any, local_tokens: int) -> tuple[int | None, bool]:
        """Tokens behind `local_tokens` that can be loaded; None = ask again."""
        if not self._usable(request):
            return 0, False
        tracked = self._tracked(request)
        tracked.local_tokens = local_tokens
        if tracked.state != LoadState.NONE and tracked.state != LoadState.LOADED:
            return 0, False  # what failed once is not tried again, nor twice at a time
        first, end = local_tokens // self._chunk, (request.num_tokens - 1) // self._chunk
        if end <= first or self._breaker.is_open:
            return 0, False
        patience = PATIENCE / 5  # an engine with nothing else to do asks again at once
        if tracked.lookup is None or tracked.first_chunk > first:
            tracked.first_chunk, patience = first, PATIENCE
            ids = self._ids(tracked)[first:end]
            tokens = np.array(request.all_token_ids[: end * self._chunk], "<u4")
            deadline = Deadline.after(self._config.lookup_timeout)
            tracked.lookup = self._pool.submit(self._look_up, ids, tokens, first, deadline)
        try:
            matches = tracked.lookup.result(patience)
        except FutureTimeout:
            if not tracked.lookup.done():
                return None, False
            matches = []
        held = min((len(match.chunks) for match in matches), default=0)
        tracked.saved = max(tracked.saved, tracked.first_chunk + held if held else 0)
        tokens_end = (tracked.first_chunk + held) * self._chunk
        external = tokens_end - local_tokens
        if external <= 0 or not self._worth(matches, held, external):
            return 0, False
        return external, self._async

    def _usable(self, request: Any) -> bool:
        """Whether the request's blocks are named by their content."""
        return bool(self._spaces) and getattr(request, "prompt_embeds", None) is None

    def _tracked(self, request: Any) -> _Tracked:
        name = request.request_id
        if name not in self._requests:
            self._requests[name] = _Tracked(request, adapter=self._adapter_of(request))
        return self._requests[name]

    def _ids(self, tracked: _Tracked) -> list[bytes]:
        """Ids of the request's full chunks: the chained hash of each one's last block."""
        hashes, ratio = tracked.request.block_hashes, self._chunk // self._hash
        for index in range(len(tracked.ids), len(hashes) // ratio):
            last = bytes(hashes[(index + 1) * ratio - 1])
            own = hashlib.sha256(tracked.adapter + last).digest() if tracked.adapter else last
            tracked.ids.append(own)
        return tracked.ids

    def _look_up(
        self, ids: list[bytes], tokens: np.ndarray, first: int, deadline: Deadline
    ) -> list[Match]:
        """A match for each rank, or none."""
        try:
            out = [
                self._tier.match_ids(space, ids, tokens, first_chunk=first, deadline=deadline)
                for space in self._spaces
            ]
            self._breaker.succeeded()
            return out
        except KvtierError as error:
            self._breaker.failed()
            self._counts["failed_lookups"] += 1
            logger.warning("kvtier: a lookup failed, the prompt is computed: %s", error)
        except Exception:
            self._counts["failed_lookups"] += 1
            logger.exception("kvtier: a lookup broke, the prompt is computed")
        return []

    def _worth(self, matches: Sequence[Match], held: int, tokens: int) -> bool:
        """Whether loading can be faster than computing, as far as both speeds are known."""
        rate, goodput = self._prefill_rate(), self._report.goodput
        if not rate or not goodput:
            return True
        bytes_least = sum(
            ref.directory.header_bytes + ref.directory.parts[0].bytes
            for match in matches
            for ref in match.chunks[:held]
        )
        worth = bytes_least / goodput <= tokens / rate
        self._counts["gated_loads"] += not worth
        return worth

    def _prefill_rate(self) -> float:
        return self._config.prefill_tokens_per_second or self._report.prefill_tokens_per_second

    # ---- loads

    def allocated(self, request: Any, block_ids: Sequence[int], external_tokens: int) -> None:
        """The engine gave a request its blocks: those behind the local tokens are to be loaded."""
        tracked = self._requests.get(request.request_id)
        if external_tokens <= 0 or tracked is None or tracked.lookup is None:
            return
        end = (tracked.local_tokens + external_tokens) // self._chunk
        skip = tracked.local_tokens // self._chunk - tracked.first_chunk
        refs = tuple(
            tuple[ChunkRef, ...](match.chunks[skip : end - tracked.first_chunk])
            for match in tracked.lookup.result()
        )
        rate = self._prefill_rate()
        recompute = external_tokens / rate if rate else 0.0
        seconds = self._config.load_timeout
        task = LoadTask(
            request.request_id,
            refs,
            np.array(request.all_token_ids[: end * self._chunk], "<u4"),
            tuple(block_ids[: end * self._chunk // self._block]),
            tracked.local_tokens // self._block,
            min(seconds, recompute) if rate else seconds,
            recompute,
        )
        tracked.blocks, tracked.state, tracked.lookup = task.written, LoadState.RUNNING, None
        self._loading[request.request_id] = tracked
        self._pending.append(task)

    def received(self, finished: set[str], invalid_blocks: set[int], report: Report | None) -> None:
        """Loads that ended, and the blocks of them that hold nothing."""
        if report is not None:
            self._report = report
        for name in finished:
            tracked = self._loading.pop(name, None)
            if tracked is None:
                continue
            bad = [i for i, block in enumerate(tracked.blocks) if block in invalid_blocks]
            tracked.state = LoadState.FAILED if bad else LoadState.LOADED
            if bad:  # what could not be loaded is computed, and then saved anew
                first = tracked.local_tokens // self._block + bad[0]
                tracked.saved = min(tracked.saved, first * self._block // self._chunk)

    # ---- steps

    def step(
        self, scheduled: dict[str, int], block_ids_of: Callable[[str], Sequence[int]]
    ) -> Step:
        """What the step that computes so many tokens of each request asks of the workers."""
        out = Step(self._pending, cancelled=self._cancelled, is_idle=not scheduled)
        self._pending, self._cancelled = [], []
        prefill = 0
        for name, count in scheduled.items():
            tracked = self._requests.get(name)
            if tracked is None:
                continue
            request = tracked.request
            prompt_left = max(0, request.num_prompt_tokens - request.num_computed_tokens)
            prefill += min(count, prompt_left)
            if self._config.save and self._usable(request):
                out.saves += self._saves(tracked, request.num_computed_tokens + count, block_ids_of)
        out.prefill_tokens = prefill if prefill == sum(scheduled.values()) else 0
        return out

    def _saves(
        self, tracked: _Tracked, computed: int, block_ids_of: Callable[[str], Sequence[int]]
    ) -> list[SaveTask]:
        ids = self._ids(tracked)
        full = min(computed // self._chunk, len(ids))
        if full <= tracked.saved:
            return []
        request, per = tracked.request, self._chunk // self._block
        blocks = tuple(block_ids_of(request.request_id))
        out = []
        for index in range(tracked.saved, full):
            at = slice(index * self._chunk, (index + 1) * self._chunk)
            tokens = np.array(request.all_token_ids[at], "<u4")
            own = blocks[index * per : (index + 1) * per]
            out.append(SaveTask(ids[index], tokens, at.start, own))
        tracked.saved = full
        return out

    def seen(self, request: Any) -> None:
        """A request was added."""
        if self._usable(request):
            self._tracked(request)

    def finished(self, request: Any) -> None:
        """A request ended, or was aborted: a load under way is of no use any more."""
        tracked = self._requests.pop(request.request_id, None)
        if tracked is not None and tracked.state == LoadState.RUNNING:
            self._cancelled.append(request.request_id)
