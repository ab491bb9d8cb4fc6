"""A TCP proxy on loopback that can cut what goes through it: the network between a cluster and its object store."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Forwards to `target`. `cut` counts the connections that were cut under way."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.cut = 0
        self._every = self._uploaded = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                upstream = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, upstream}
            for source, target, upload in ((client, upstream, True), (upstream, client, False)):
                threading.Thread(target=self._pump, args=(source, target, upload), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, upload: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if upload and self._must_cut(len(data)):
                    target.sendall(data[: len(data) // 2])
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with self._lock:
                if end in self._open:
                    self._open.discard(end)
                    end.close()

    @contextlib.contextmanager
    def cutting(self, every_bytes: int) -> Iterator[None]:
        """While the block runs, whatever connection carries the last of so many uploaded bytes is cut there."""
        self._every, self._uploaded = every_bytes, 0
        try:
            yield
        finally:
            self._every = 0

    def _must_cut(self, size: int) -> bool:
        if not self._every:
            return False
        with self._lock:
            before, self._uploaded = self._uploaded, self._uploaded + size
            crossed = self._uploaded // self._every > before // self._every
            self.cut += crossed
        return crossed

    def close(self) -> None:
        self._server.close()
        with self._lock:
            for end in self._open:
                end.close()
