"""Texts that people read or that the bucket stores: escaped, counted, parsed, without secrets.

Escapes control characters in foreign text, so that it is safe to print.

Numbers of things in messages.

A canonical text of decimal numbers: equal numbers have equal texts.

Suggestions for a mistyped name.

Files that are installed with the package.

The JSON documents of the bucket: encoded with indentation, decoded into their type.

Parses JSON that is nested as deeply as PostgreSQL allows.

URLs with secrets: checked when parsed, and printed without secrets.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, NamedTuple, NoReturn, Self, TypeVar, cast
from urllib.parse import quote, unquote

import msgspec

_CONTROLS = (
    *range(0x20),  # C0, among them ESC and BEL
    *range(0x7F, 0xA0),  # DEL, and C1: CSI and OSC as one character
    0x061C,  # marks and overrides of direction: text that reads otherwise than it is
    *range(0x200E, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    0x2028,  # line and paragraph
    0x2029,
)
_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS}
_LINES = {code: escape for code, escape in _ESCAPES.items() if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    """The text on one line, with control characters, line breaks and direction marks escaped."""
    return text.translate(_ESCAPES)


def visible_lines(text: str) -> str:
    """The same, but line breaks and tabs are kept; JSON stays the same document."""
    return text.translate(_LINES)


def quantity(number: int, thing: str) -> str:
    """``1 alert``, ``2 alerts``; ``thing`` is singular and has a plural in s."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def decimal_text(number: Decimal) -> str:
    """The digits without exponent and without trailing zeros; ``0`` for negative zero too.

    No digit is lost: ``Decimal.normalize`` would round to the 28 digits of its context.
    """
    if not number.is_finite():
        return str(number)
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if number else "0"


_SHOWN = 3


def suggestion(name: str, names: Iterable[str]) -> str:
    """A hint for a name that is not in ``names``: ``did you mean campaigns?``."""
    known = sorted(names)
    if near := closest(name, known):
        return f"did you mean {' or '.join(near)}?"
    return f"it has {', '.join(known) or 'none'}"


def closest(name: str, names: Iterable[str]) -> list[str]:
    """The most similar names, best first; at most three."""
    return get_close_matches(name, list(names), n=_SHOWN)


SHIPPED_MODEL = Path(__file__).parents[1] / "models" / "media_tool.yaml"

DAGSTER_YAML = Path(__file__).parents[1] / "dagster.yaml"
"""Settings of a Dagster instance: its home needs a copy."""


Kind = TypeVar("Kind")

_PREPARING = Lock()
"""msgspec 0.22 prepares a type when it is first decoded: two threads at once crash the process."""
_DECODERS: dict[object, "msgspec.json.Decoder[Any]"] = {}


def pretty(value: object, indent: int = 2) -> bytes:
    """A document on several lines, for programs and people; ends with a newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent) + b"\n"


def json_values(value: object) -> Any:
    """A value as it is read back from JSON: tuples become lists, and structs become objects."""
    return msgspec.json.decode(msgspec.json.encode(value))


def decoded(data: bytes, kind: type[Kind]) -> Kind:
    """Read a document; raises msgspec.MsgspecError on anything else, one too deep included."""
    with _PREPARING:
        decoder = _DECODERS.get(kind)
        if decoder is None:
            decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        return cast(Kind, decoder.decode(data))
    except RecursionError:
        raise msgspec.ValidationError("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error.reason}") from None


class JsonDocument:
    """Base of the stored structs and dataclasses; ``to_json`` and ``from_json`` are inverse."""

    __slots__ = ()

    INDENT: ClassVar[int] = 2
    """Spaces for each level, for people; 0 writes one line."""

    def to_json(self) -> bytes:
        """The stored bytes; they end with a newline."""
        return pretty(self, self.INDENT) if self.INDENT else msgspec.json.encode(self) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a document; raises msgspec.MsgspecError on anything else."""
        return decoded(data, cls).checked()

    def checked(self) -> Self:
        """The document after reading: kinds add checks, and convert what older releases wrote.

        Raises msgspec.ValidationError.
        """
        return self


_DEEPEST = 60_000  # levels; PostgreSQL's default stack limits jsonb to less than 20,000


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Raise the recursion limit, which msgspec and the standard library's parsers obey."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


_SHAPE = re.compile(r"([^/?#]*)([^?]*)(?:\?(.*))?", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.~%-]*)(:\d{1,5})?")
_SEPARATORS = "/?#@"
_SHOWN_SCHEMES = frozenset(
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
    workers (work/__init__.py).
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
    if equals and name.lower() in _SHOWN_SCHEMES:
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
