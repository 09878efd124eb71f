"""URLs with secrets: checked when parsed, and printed without secrets."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple, NoReturn
from urllib.parse import quote, unquote

_SHAPE = re.compile(r"([^/?#]*)([^?]*)(?:\?(.*))?", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.~%-]*)(:\d{1,5})?")
_SEPARATORS = "/?#@"
_SHOWN = frozenset(
    "appName application_name authMechanism authSource connect_timeout dbname directConnection host"
    " hostaddr port readPreference replicaSet retryWrites ssl sslmode sslrootcert tls tlsCAFile"
    " user w".lower().split()
)
"""Parameters of libpq and MongoDB whose values are not secret; all others are hidden."""

_USER = re.compile(r"(?<=://)([^\s:/?#@]*):\S*@")
_PARAMETER = re.compile(r"([?&]\w*password=|\bAWS_SESSION_TOKEN:)[^\s&#]*", re.IGNORECASE)


class _UrlParts(NamedTuple):
    scheme: str
    user: str | None
    password: str | None
    hosts: str
    path: str
    query: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """A URL whose secrets only ``reveal`` shows.

    ``str``, ``repr`` and ``format`` show passwords and the values of most parameters as ``***``,
    and only the host of an ``http`` URL. ``variable`` names its setting.

    The constructor raises ValueError for an ambiguous URL. The message names the character to
    escape, and shows nothing after ``://``. Pickling raises TypeError, except in the pools of
    workers (flows/workers/pool.py, flows/workers/cluster.py).
    """

    _text: str
    variable: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _parts(self._text)

    def reveal(self) -> str:
        """The whole URL, for the driver that connects to it."""
        return self._text

    def __str__(self) -> str:
        scheme, user, password, hosts, path, query = _parts(self._text)
        if scheme.startswith("http"):
            hidden = "" if (user, path, query) == (None, "", None) else "/***"
            return f"{scheme}://{hosts}{hidden}"
        hidden = "" if password is None else ":***"
        login = "" if user is None else f"{user}{hidden}@"
        parameters = "" if query is None else f"?{_PAIR.sub(_shown, query)}"
        return f"{scheme}://{login}{hosts}{path}{parameters}"

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle with a password may be kept or logged."""
        raise TypeError(
            f"{self} has secrets, so it cannot be pickled, except for a pool of workers"
        )

    @property
    def scheme(self) -> str:
        """``postgresql``, ``mongodb``, ``https``."""
        return _parts(self._text).scheme

    @property
    def has_login(self) -> bool:
        """Whether it names a user."""
        return _parts(self._text).user is not None

    @property
    def hosts(self) -> str:
        """``host:port``, or several separated by commas; empty if there is none."""
        return _parts(self._text).hosts

    @property
    def database(self) -> str:
        """The database in the path."""
        return unquote(_parts(self._text).path.strip("/"))

    def to(self, database: str) -> "Url":
        """The same PostgreSQL server, with another database."""
        scheme, user, password, hosts, _, query = _parts(self._text)
        secret = "" if password is None else f":{password}"
        login = "" if user is None else f"{user}{secret}@"
        path = quote(database, safe="")
        return Url(f"{scheme}://{login}{hosts}/{path}{_without(query, 'dbname')}", self.variable)

    def by(self, user: str, password: str) -> "Url":
        """The same PostgreSQL server and database with another role; no password if it is empty."""
        scheme, _, _, hosts, path, query = _parts(self._text)
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        rest = _without(query, "user", "password", "passfile")
        return Url(f"{scheme}://{login}@{hosts}{path}{rest}", self.variable)


def _without(query: str | None, *names: str) -> str:
    """The query with its question mark, without these parameters."""
    pairs = (query or "").split("&")
    kept = [pair for pair in pairs if pair and pair.partition("=")[0] not in names]
    return f"?{'&'.join(kept)}" if kept else ""


_PAIR = re.compile(r"[^&;]+")


def _shown(pair: re.Match[str]) -> str:
    name, equals, _ = pair[0].partition("=")
    if equals and name.lower() in _SHOWN:
        return pair[0]
    return f"{name}=***" if equals and re.fullmatch(r"\w+", name) else "***"


def _parts(text: str) -> _UrlParts:
    """Split a URL; raises ValueError if a character is ambiguous."""
    scheme, found, rest = text.partition("://")
    if not found or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+]*", scheme):
        raise ValueError("is not a URL; it begins with a scheme and ://")
    _check_characters(rest)
    login, at, place = rest.rpartition("@")
    if wrong := [character for character in _SEPARATORS if character in login]:
        raise ValueError(
            f"has an unescaped {' and '.join(wrong)} before its last @; in a user name or password "
            f"write {_escapes(wrong)}; after the host write @ as %40"
        )
    user, colon, password = login.partition(":")
    if ":" in password and scheme.lower().startswith("mongodb"):
        raise ValueError("has an unescaped : in its password; write : as %3A")
    match = _SHAPE.fullmatch(place)
    assert match is not None  # noqa: S101  # it matches any text
    hosts, path, query = match.groups()
    if not all(map(_HOST.fullmatch, hosts.split(","))):
        raise ValueError(
            "has a host or port that cannot be read; in a user name or password write "
            + _escapes([*_SEPARATORS, ":"])
        )
    if not hosts and not scheme.lower().startswith("postgres"):
        raise ValueError("names no host")
    return _UrlParts(
        scheme.lower(), user if at else None, password if colon else None, hosts, path, query
    )


def _check_characters(rest: str) -> None:
    for character in rest:
        if character.isspace() or not character.isprintable():
            name = "a space" if character == " " else f"the character U+{ord(character):04X}"
            raise ValueError(f"holds {name}; write it as {_escaped(character)}")
    if re.search(r"%(?![0-9A-Fa-f]{2})", rest):
        raise ValueError("has a % that does not begin an escape; write % itself as %25")
    if "%00" in rest:
        raise ValueError("holds %00, which no server accepts")


def _escapes(characters: Iterable[str]) -> str:
    return ", ".join(f"{character} as {_escaped(character)}" for character in characters)


def _escaped(character: str) -> str:
    return quote(character, safe="", errors="surrogateescape")


def host_of(place: str) -> str:
    """The host of ``host:port``, without the brackets of an IPv6 address."""
    return re.sub(r":\d+$", "", place).strip("[]")


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine: a socket directory, ``localhost`` or a loopback address."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def without_passwords(text: str) -> str:
    """A message of another program, with the passwords of all URLs in it replaced."""
    return _USER.sub(r"\1:***@", _PARAMETER.sub(r"\1***", text))
