"""A slow line: a TCP relay on loopback that lets bytes through late and no faster than a line would.

Each direction delays by half the round trip and carries so many bits a second, shared by all
connections, as the one line of a home or a train does. (The test machines' kernel has no netem.)

    python -m benchmarks.relay '{"port": 2222, "rtt_ms": 50, "mbit_s": 20}'    prints its own port
"""

from __future__ import annotations

import asyncio
import json
import sys

CHUNK = 16384
QUEUE_BYTES = 256 * 1024  # what a line's router holds before the sender has to wait


class Direction:
    """One direction of the line: when the next byte may leave."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._free_at = 0.0

    def book(self, size: int) -> float:
        """Book the sending of so many bytes; return the loop's time at which the last has left."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size / self._rate
        return self._free_at


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction, delay: float
) -> None:
    """Copy one direction of a connection, late; its end too."""
    loop = asyncio.get_running_loop()
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE_BYTES // CHUNK)

    async def send() -> None:
        while True:
            due, data = await line.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    sending = asyncio.create_task(send())
    try:
        while data := await reader.read(CHUNK):
            await line.put((direction.book(len(data)) + delay, data))
        await line.put((loop.time() + delay, b""))
        await sending
    finally:
        sending.cancel()


async def serve(port: int, rtt_ms: float, mbit_s: float) -> asyncio.Server:
    """Start a relay to a port of 127.0.0.1; return its server, which listens on a port of its own.

    Parameters
    ----------
    port
        Where the line leads.
    rtt_ms
        Milliseconds of a round trip that the line adds.
    mbit_s
        10⁶ bits a second that it carries each way.
    """
    up, down = (Direction(mbit_s * 1e6 / 8) for _ in range(2))
    delay = rtt_ms / 2000

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        both = asyncio.gather(
            _pass_on(reader, far_writer, up, delay), _pass_on(far_reader, writer, down, delay)
        )
        try:
            await both
        except OSError:
            both.cancel()
        finally:
            writer.close()
            far_writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", 0)


async def _main(options: dict[str, float]) -> None:
    server = await serve(int(options["port"]), options["rtt_ms"], options["mbit_s"])
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
