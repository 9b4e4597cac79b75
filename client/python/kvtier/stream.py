"""A persistent segment stream (DoExchange): requests out, verified replies in, a bound between."""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass

from pyarrow import ArrowException, flight

from kvtier.deadline import Deadline
from kvtier.errors import KvtierError, UnavailableError
from kvtier.flight_errors import flight_errors, translate
from kvtier.wire import CancelRequest, SegmentReply, SegmentRequest, StreamCommand

_NO_DATA = memoryview(b"")
REQUEST_ID_END = 1 << 32
REPLIES_WAITING_MAX = 4096


@dataclass(frozen=True)
class Arrival:
    """One reply with the bytes of its row, which stay valid while the view lives."""

    reply: SegmentReply
    data: memoryview


class SegmentStream:
    """One DoExchange of one namespace, used by one thread at a time.

    A reader thread takes replies off the wire, so that waiting for one can end at a deadline.
    What is under way is bounded by the caller, who knows the sizes of what it asks for.
    """

    def __init__(
        self,
        client: flight.FlightClient,
        namespace: bytes,
        node: str,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self._node = node
        descriptor = flight.FlightDescriptor.for_command(StreamCommand(namespace).to_bytes())
        with flight_errors(node):
            self._writer, self._reader = client.do_exchange(
                descriptor, flight.FlightCallOptions(headers=headers)
            )
        self._arrivals: queue.Queue[Arrival | KvtierError] = queue.Queue(REPLIES_WAITING_MAX)
        self._next_id = 0
        self._live: set[int] = set()
        self.failure: KvtierError | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="kvtier-stream", daemon=True)
        self._thread.start()

    def request(self, request: SegmentRequest) -> None:
        """Send a request whose number came from `next_request`."""
        self._live.add(request.request)
        self._send(request.to_bytes())

    def next_request(self) -> int:
        """A number that no request of this stream has had."""
        self._next_id = (self._next_id + 1) % REQUEST_ID_END
        return self._next_id

    def receive(self, deadline: Deadline) -> Arrival | None:
        """The next reply to a live request, None when the deadline comes first.

        Raises the stream's failure, after which it is of no use.
        """
        while True:
            if self.failure is not None:
                raise self.failure
            left = deadline.left
            try:
                # with no deadline, too, the wait is cut so that signals get through
                arrival = self._arrivals.get(timeout=min(left, 1.0)) if left else None
            except queue.Empty:
                continue
            if arrival is None:
                return None
            if isinstance(arrival, KvtierError):
                self.failure = arrival
            elif arrival.reply.request in self._live:
                if arrival.reply.last:
                    self._live.discard(arrival.reply.request)
                return arrival

    def cancel_all(self) -> None:
        """Take back what is under way; late replies are dropped."""
        for request in sorted(self._live):
            self._send(CancelRequest(request).to_bytes())
        self._live.clear()

    def fail(self, error: KvtierError) -> None:
        """Make the stream useless, from any thread: who waits for a reply gets the error at once.

        Who uses the stream closes it.
        """
        self.failure = self.failure or error
        with contextlib.suppress(queue.Full):  # then the waiting thread is awake anyway
            self._arrivals.put_nowait(self.failure)

    def close(self) -> None:
        """End the stream; the node notices at once."""
        self._closed.set()
        self.failure = self.failure or UnavailableError(f"{self._node}: the stream is closed")
        try:
            self._reader.cancel()
            self._writer.close()
        except (ArrowException, flight.FlightError, OSError):
            pass  # it was broken already: nothing is left to end

    def _send(self, message: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            with flight_errors(self._node):
                self._writer.write_metadata(message)
        except KvtierError as error:
            self.failure = error
            raise

    def _read(self) -> None:
        try:
            while True:
                chunk = self._reader.read_chunk()
                reply = SegmentReply.parse(chunk.app_metadata or b"")
                self._deliver(Arrival(reply, _row(chunk.data)))
        except StopIteration:
            self._deliver(UnavailableError(f"{self._node}: the node ended the stream"))
        except KvtierError as error:
            self._deliver(UnavailableError(f"{self._node}: not a segment reply: {error}"))
        except (ArrowException, flight.FlightError, OSError, KeyError) as error:
            self._deliver(translate(error, self._node))

    def _deliver(self, arrival: Arrival | KvtierError) -> None:
        while not self._closed.is_set():
            try:
                return self._arrivals.put(arrival, timeout=1.0)
            except queue.Full:
                continue


def _row(batch: object) -> memoryview:
    """The bytes of the only row of `{data: binary}`, without a copy."""
    rows = getattr(batch, "num_rows", 0)
    if not rows:
        return _NO_DATA
    value = batch.column(0)[0].as_buffer()  # type: ignore[attr-defined]
    return _NO_DATA if value is None else memoryview(value)
