"""An S3-compatible server of the tests' own: moto's, as a process that can be stopped and started again."""

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from processes import answers, free_port, wait_for

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "rookery", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
BUCKET = "studies"
PYTHON = Path(__file__).parents[1] / ".venv-s3" / "bin" / "python"
"""Of moto's own environment: it asks for other versions of libraries than Rookery is tried with."""


class S3Server:
    """A server on a free port with one bucket. What it holds is in its memory: `stop` only silences it."""

    def __init__(self) -> None:
        self.port, self._behind = free_port(), free_port()
        self._process = self._proxy = None
        command = [str(PYTHON), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._behind)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: answers(self._behind), 60)
        request = urllib.request.Request(f"http://127.0.0.1:{self._behind}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        self.start()

    @property
    def environment(self) -> dict[str, str]:
        """What a user of the server sets."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def start(self) -> None:
        """Let the server be reached."""
        command = [sys.executable, __file__, str(self.port), str(self._behind)]
        self._proxy = subprocess.Popen(command)
        wait_for(lambda: answers(self.port), 60)

    def stop(self) -> None:
        """Refuse every connection, and break those that are open."""
        self._proxy.send_signal(signal.SIGKILL)
        self._proxy.wait()

    def remove(self) -> None:
        """End the server."""
        self.stop()
        self._process.kill()
        self._process.wait()


def _forward(port: int, behind: int) -> None:
    """Pass connections on until killed."""
    import asyncio

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
        writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", behind)
        await asyncio.gather(copy(reader, back_writer), copy(back_reader, writer), return_exceptions=True)

    async def serve() -> None:
        server = await asyncio.start_server(meet, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    _forward(int(sys.argv[1]), int(sys.argv[2]))
