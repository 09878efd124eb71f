"""A TCP proxy before a server, which loses or cuts one answer: a network's real faults."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Fault:
    """Cut the connection ``after`` bytes of the answer to the first request that holds ``mark``."""

    mark: bytes
    after: int = 0
    happened: threading.Event = field(default_factory=threading.Event)


@contextmanager
def faulty(endpoint_url: str, fault: Fault) -> Iterator[str]:
    """The URL of a proxy before ``endpoint_url`` that commits ``fault`` once."""
    target = urlsplit(endpoint_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = (target.hostname or "", target.port or 80)
        acceptor = threading.Thread(target=_accept, args=(listener, address, fault))
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()


def _accept(listener: socket.socket, address: tuple[str, int], fault: Fault) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # the test is over
            return
        threading.Thread(target=_serve, args=(client, address, fault), daemon=True).start()


def _serve(client: socket.socket, address: tuple[str, int], fault: Fault) -> None:
    """Pass one connection on, both ways, until a side closes it or the fault does."""
    marked = threading.Event()
    with client, socket.create_connection(address) as server:
        up = threading.Thread(target=_requests, args=(client, server, fault, marked), daemon=True)
        up.start()
        sent = 0
        with suppress(OSError):  # either side may leave first
            while data := server.recv(1 << 16):
                if marked.is_set() and not fault.happened.is_set():
                    allowed = max(0, fault.after - sent)
                    sent += len(data)
                    client.sendall(data[:allowed])
                    if len(data) > allowed:
                        fault.happened.set()
                        break
                else:
                    client.sendall(data)
        for side in (client, server):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


def _requests(
    client: socket.socket, server: socket.socket, fault: Fault, marked: threading.Event
) -> None:
    with suppress(OSError):
        while data := client.recv(1 << 16):
            if fault.mark in data:
                marked.set()
            server.sendall(data)
