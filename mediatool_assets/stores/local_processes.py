"""Server processes: started detached, identified later, and stopped gracefully.

Passwords and keys of the local servers, generated once and readable only by their owner.
"""

import json
import secrets
import signal
import socket
import string
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import psutil

from mediatool_assets.core.errors import BadSettings, Refused, Unreachable
from mediatool_assets.stores.user_files import owner_only, write_private

LOOPBACK = "127.0.0.1"
READY_SECONDS = 60.0  # far more than the slowest start measured (7 s on 2 cores), for slow disks
POLL_SECONDS = 0.1
LOG_LINES = 12
LOG_BYTES = 10_000_000  # a larger log is renamed at the next start; one old log is kept

# The shell raises the limit of open files as far as it may (mongod needs one per collection and
# index), leaves the server to init, and prints its process id.
_LAUNCH = 'ulimit -n "$(ulimit -Hn)" 2>/dev/null; "$@" >&2 </dev/null & echo $!'


class NotReady(Exception):
    """The server does not answer yet; try again."""


class ServerFailed(Unreachable):
    """A local server died or never answered; the message contains its last log lines."""

    def __init__(self, name: str, problem: str, log: Path, next_step: str) -> None:
        self.name, self.log = name, log
        lines = "\n  ".join(last_lines(log)) or "(nothing)"
        super().__init__(f"{name} {problem}; the last lines of {log}:\n  {lines}\n{next_step}")


@dataclass(frozen=True, slots=True)
class Server:
    """How to run one server.

    ``probe`` raises NotReady until the server answers. ``account`` is the numeric user and group to
    run as, or None for the caller's own. ``grace`` is the number of seconds to wait after
    ``stop_signal``.
    """

    name: str
    argv: tuple[str, ...]
    directory: Path
    probe: Callable[[], None] = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    account: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 30.0

    @property
    def log(self) -> Path:
        """The log file, with the server's standard output and error."""
        return log_file(self.directory)


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a started server, by which it is identified and stopped."""

    pid: int
    argv: tuple[str, ...]
    stop_signal: int
    grace: float

    def process(self) -> psutil.Process | None:
        """The process, if it is still the one that was started.

        Process ids are reused, so the whole command line must match; it contains the server's own
        directory and ports. (Start times change when the clock is set.) A zombie has no command
        line, and counts as gone.
        """
        try:
            process = psutil.Process(self.pid)
            return process if tuple(process.cmdline()) == self.argv else None
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # another user's process is not ours
            return None


def log_file(directory: Path) -> Path:
    """The log file of a server with this directory."""
    return directory / "server.log"


def running(directory: Path) -> psutil.Process | None:
    """The process of the server with this directory; None if it does not run."""
    record = _read_record(directory)
    return record.process() if record else None


def start(server: Server) -> psutil.Process:
    """Start the server and return when it answers; raises ServerFailed with its last log lines."""
    _rotate(server.log)
    with open(server.log, "ab", opener=owner_only) as log:
        launched = subprocess.run(
            ["/bin/sh", "-c", _LAUNCH, "sh", *server.argv],
            cwd=server.directory,
            env=dict(server.environment),
            stdout=subprocess.PIPE,
            stderr=log,
            check=True,
            start_new_session=True,
            umask=0o077,  # rows, and logs of statements, are the owner's
            user=server.account,
            group=server.account,
            extra_groups=None if server.account is None else [],
        )
    pid = int(launched.stdout)
    record = Record(pid, server.argv, int(server.stop_signal), server.grace)
    _write_record(server.directory, record)
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        raise _died(server) from None
    wait_until_ready(server, process)
    return process


def wait_until_ready(server: Server, process: psutil.Process) -> None:
    """Return when the server answers; raises ServerFailed if it dies or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while _alive(process):
        try:
            server.probe()
        except NotReady as reason:
            if time.monotonic() > deadline:
                problem = f"(process {process.pid}) does not answer after {READY_SECONDS:.0f} s"
                raise ServerFailed(
                    server.name,
                    f"{problem} ({reason})",
                    server.log,
                    "try `mediatool down`, then up",
                ) from reason
        else:
            if _alive(process):  # else another program took the port first, and answered
                return
        time.sleep(POLL_SECONDS)
    raise _died(server)


def stop(directory: Path) -> bool:
    """Stop the server that was started with this directory; False if it does not run.

    Sends the stop signal, waits for ``grace`` seconds, then kills. No other process is touched.
    Raises Refused if another user started the server.
    """
    record = _read_record(directory)
    process = record.process() if record else None
    if record and process:
        try:
            _end(process, record)
        except psutil.AccessDenied as error:
            raise Refused(
                f"process {process.pid} of {directory} was started by {process.username()}; "
                "stop it as that user"
            ) from error
    _record_file(directory).unlink(missing_ok=True)
    return process is not None


def _end(process: psutil.Process, record: Record) -> None:
    try:
        process.send_signal(record.stop_signal)
        process.wait(record.grace)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(READY_SECONDS)
    except psutil.NoSuchProcess:  # it ended by itself at that moment
        return


def free_port() -> int:
    """A free TCP port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ignore closed connections
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(directory: Path, names: Iterable[str]) -> dict[str, int]:
    """A free port for each name: the last ones if all are free, else new ones; recorded."""
    names = tuple(names)
    ports = known_ports(directory)
    if set(ports) != set(names) or not all(map(is_free, ports.values())):
        ports = dict(zip(names, _distinct_free_ports(len(names)), strict=True))
        _ports_file(directory).write_text(json.dumps(ports))
    return ports


def known_ports(directory: Path) -> dict[str, int]:
    """The ports that the server last used; empty before the first start."""
    ports = _read_json(_ports_file(directory))
    return {name: port for name, port in ports.items() if isinstance(port, int)}


def last_lines(log: Path, count: int = LOG_LINES) -> list[str]:
    """The last lines of a log, each cut to 300 characters."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        text = file.read().decode(errors="replace")
    return [line[:300] for line in text.splitlines()[-count:]]


def _distinct_free_ports(count: int) -> set[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return ports


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _died(server: Server) -> ServerFailed:
    return ServerFailed(
        server.name, "died while starting", server.log, "correct what it names, then `mediatool up`"
    )


def _ports_file(directory: Path) -> Path:
    return directory / "ports.json"


def _record_file(directory: Path) -> Path:
    return directory / "process.json"


def _write_record(directory: Path, record: Record) -> None:
    draft = directory / "process.json.draft"
    draft.write_text(json.dumps(asdict(record)))
    draft.replace(_record_file(directory))


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.old"))


def _read_record(directory: Path) -> Record | None:
    match _read_json(_record_file(directory)):
        case {
            "pid": int(pid),
            "argv": [*argv],
            "stop_signal": int(stop_signal),
            "grace": float(grace),
        }:
            return Record(pid, tuple(map(str, argv)), stop_signal, grace)
    return None  # no file, or one that a full disk truncated


def _read_json(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


CREDENTIALS_FILE = "credentials.json"
"""The name of the file in the home of the local servers."""


def password_mismatch(folder: Path) -> BadSettings:
    """The error if a server's data, in its folder of the home, has another password."""
    path = folder.parent / CREDENTIALS_FILE
    return BadSettings(
        [
            f"the password in {path} is not that of the data in {folder}; restore {path}, or "
            f"delete {folder} with all its data"
        ]
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """One generated secret for each purpose; none of them is printed."""

    postgres_password: str = field(repr=False)
    mongodb_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    s3_encryption_key: str = field(repr=False)
    s3_internal_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> "Credentials":
        """New secrets of letters and digits, which need no escaping in a URL."""
        return cls(
            **{item.name: _random(20 if "access" in item.name else 40) for item in fields(cls)}
        )

    @classmethod
    def of(cls, path: Path) -> "Credentials":
        """The secrets in the file, which is created (mode 0600) if missing; raises BadSettings."""
        if not path.exists():
            write_private(path, json.dumps(asdict(cls.generate()), indent=2))
        try:
            return cls(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise BadSettings(
                [
                    f"{path} does not have the credentials of the local servers; restore it, or "
                    f"delete {path.parent} with all its data"
                ]
            ) from error


def _random(length: int) -> str:
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(length))
