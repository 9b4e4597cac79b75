"""A node in a process of its own, for tests, examples and trying things out.

Needs a checkout that was built (`./kvtier build`) and its JDK 25.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from kvtier.errors import UnavailableError

READY = "kvtier node ready on "
STOP_SECONDS = 15


def built_checkout(start: Path | None = None) -> Path | None:
    """The checkout above a path (by default this file's) if its node was built, else None."""
    for folder in (start or Path(__file__)).resolve().parents:
        if (folder / "jvm.flags").is_file() and (folder / "cache-node/target/lib").is_dir():
            return folder
    return None


class LocalNode:
    """A running node; leaving the context ends it with SIGTERM.

    folder: where its data, configuration and log lie; a node that starts on the same folder and
    port finds what was stored on disk.
    """

    def __init__(self, folder: Path, port: int = 0, hot: str = "512MiB") -> None:
        checkout = built_checkout()
        if checkout is None:
            raise UnavailableError("no built node found: run ./kvtier build in the checkout")
        java = subprocess.run([checkout / "tools/jdk25"], capture_output=True, text=True)
        if java.returncode:
            raise UnavailableError(java.stderr.strip())
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "node.yaml"
        data = folder / "data"
        config.write_text(
            f"listen: {{port: {port}}}\n"
            f"storage: {{directory: {data}, hotBytes: {hot}, coldBytes: 2GiB}}\n"
        )
        target = checkout / "cache-node/target"
        self.log = folder / "node.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    Path(java.stdout.strip()) / "bin/java", f"@{checkout / 'jvm.flags'}",
                    f"-Dkvtier.home={checkout}", "-cp", f"{target}/classes:{target}/lib/*",
                    "io.kvtier.node.Main", "node", "--config", str(config),
                ],
                stdout=subprocess.PIPE, stderr=log, text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # ends at the latest when the process does
        if not line.startswith(READY):
            self.kill()
            raise UnavailableError(f"the node did not start: {self.log.read_text()[-2000:]}")
        self.location = "grpc://" + line[len(READY) :].strip().removeprefix("grpc://")

    def suspend(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL if that takes too long."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self) -> LocalNode:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def main() -> None:
    """`python -m kvtier.local_node`: run one until a line comes on the standard input."""
    with tempfile.TemporaryDirectory() as folder, LocalNode(Path(folder)) as node:
        print(node.location, flush=True)
        try:
            input()
        except (EOFError, KeyboardInterrupt):
            os.write(2, b"stopping the node\n")


if __name__ == "__main__":
    main()
