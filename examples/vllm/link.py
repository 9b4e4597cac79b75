"""A link of a given rate in front of a node: a TCP proxy in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

PIECE_SECONDS = 0.01
"""What a link passes at once: smaller pieces cost more CPU, larger ones come in bursts."""


class Link:
    """Passes what clients send at once, and what the node sends at `mbit` a second, all together.

    No delay but that of the rate. Entering the context starts it; `location` is where to connect.
    """

    def __init__(self, location: str, mbit: float) -> None:
        host, port = location.removeprefix("grpc://").rsplit(":", 1)
        self._node = (host, int(port))
        self._rate = mbit * 1e6 / 8
        self._free_at = 0.0
        self.bytes = 0
        self.location = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)

    def __enter__(self) -> Link:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.location = f"grpc://127.0.0.1:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = max(int(self._rate * PIECE_SECONDS), 1500)
        up, down = await asyncio.open_connection(*self._node, limit=2 * size)
        await asyncio.gather(
            _copy(reader, down, 1 << 16), self._paced(up, writer, size), return_exceptions=True
        )

    async def _paced(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int
    ) -> None:
        clock = asyncio.get_running_loop().time
        while data := await reader.read(size):
            self.bytes += len(data)
            self._free_at = max(self._free_at, clock()) + len(data) / self._rate
            await asyncio.sleep(self._free_at - clock())
            writer.write(data)
            await writer.drain()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    while data := await reader.read(size):
        writer.write(data)
        await writer.drain()
    writer.close()
