"""A real HTTP server that takes what a webhook posts, and can be told to refuse it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0000/B0000/very-secret"


class Receiver:
    """What arrived, in order; ``answers`` are given to the next requests, then 200."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/services/{SECRET}"
        self.arrived: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.asked = 0
        self.logins: list[str | None] = []

    @property
    def kinds(self) -> list[str]:
        """The kinds of the alerts that arrived."""
        return [alert["kind"] for alert in self.arrived]


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """A receiver on this port, else on a free one; gone when the context is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take an alert, or answer as told."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.asked += 1
            found.logins.append(self.headers["Authorization"])
            answer = found.answers.pop(0) if found.answers else 200
            if answer == 200:
                found.arrived.append(json.loads(body))
            self.send_response(answer)
            if answer == 302:
                self.send_header("Location", found.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            """What a followed redirection would meet."""
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # its own name
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    found = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
