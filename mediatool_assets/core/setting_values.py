"""How a setting is declared, and the parsers of setting values."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mediatool_assets.domain.signing import SigningKey, TrustedKey, is_public, is_secret
from mediatool_assets.domain.signing import trusted_keys as parse_trusted_keys
from mediatool_assets.domain.urls import Url

PREFIX = "MEDIATOOL_"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the annotation of a field declares; the field has the setting's type and default.

    ``parse`` raises ValueError with a message that continues the variable's name. ``otherwise``
    explains an unset variable, if the default does not. ``inherits`` names the field whose value is
    used if the variable is unset. ``exists`` says what kind of file a path must name. ``separator``
    is put between the items of a list in the settings file.
    """

    parse: Callable[[str], object]
    help: str
    otherwise: str | None = None
    inherits: str | None = None
    exists: Literal["file", "directory"] | None = None
    separator: str = ","


def variable(name: str) -> str:
    """The environment variable of a field: ``MEDIATOOL_S3_BUCKET`` for ``s3_bucket``."""
    return PREFIX + name.upper()


def word(text: str) -> str:
    """A text without spaces."""
    if any(c.isspace() for c in text):
        raise ValueError(f"contains a space: {text!r}")
    return text


def words(text: str) -> str:
    """One word, or several different ones separated by commas."""
    names = [name for part in text.split(",") if (name := part.strip())]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"must name one or more different things, separated by commas: {text!r}")
    return ",".join(map(word, names))


def names(text: str) -> frozenset[str]:
    """A set of names, separated by commas."""
    return frozenset(name for part in text.split(",") if (name := part.strip()))


def switch(text: str) -> bool:
    """``yes`` or ``no``."""
    if text.lower() not in ("yes", "no"):
        raise ValueError(f"is neither yes nor no: {text!r}")
    return text.lower() == "yes"


def choice(*words: str) -> Callable[[str], str]:
    """One of these words, in any case."""
    found = {word.lower(): word for word in words}

    def parse(text: str) -> str:
        if text.lower() not in found:
            raise ValueError(f"is not {', '.join(words[:-1])} or {words[-1]}: {text!r}")
        return found[text.lower()]

    return parse


def whole(unit: str, least: int = 1) -> Callable[[str], int]:
    """A whole number of a unit, ``least`` or more."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise ValueError(f"is not a whole number of {unit}, {least} or more: {text!r}")
        return int(text)

    return parse


def day(text: str) -> date:
    """A date in ISO 8601 format."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"is not a date, YYYY-MM-DD: {text!r}") from None


def hour(text: str) -> int:
    """An hour of the day, 0 to 23."""
    if not (text.isascii() and text.isdecimal()) or int(text) > 23:  # of a day
        raise ValueError(f"is not an hour from 0 to 23: {text!r}")
    return int(text)


def time_zone(text: str) -> str:
    """A time zone that this machine knows by name."""
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"is not a time zone such as Europe/Berlin: {text!r}") from None


def percent(text: str) -> float:
    """A percentage above 0, up to 100."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 100:
        raise ValueError(f"is not a percentage above 0, up to 100: {text!r}")
    return number


def matching(pattern: str, what: str) -> Callable[[str], str]:
    """A text that matches the whole pattern."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is not {what}: {text!r}")
        return text

    return parse


def path(text: str) -> Path:
    """A path; stores/environment.py checks that it exists."""
    return Path(text)


def signing_key(text: str) -> SigningKey | Path:
    """A secret key as text, or the path of a file that holds one."""
    return SigningKey.parse(text) if is_secret(text) else Path(text)


def trusted_keys(text: str) -> tuple[TrustedKey, ...] | Path:
    """Public keys, or the path of a file that holds them."""
    return parse_trusted_keys(text) if is_public(text) else Path(text)


SOURCE_NAME = r"[a-z][a-z0-9_]{0,19}"
"""The name of a source: a part of asset keys, object keys and names of databases."""


def key_prefix(text: str) -> str:
    """What keys begin with: folders, without a slash at the beginning; ``/`` for none."""
    if not re.fullmatch(r"/|([A-Za-z0-9][A-Za-z0-9_.-]*/)+", text):
        raise ValueError(f"is not / or folders such as shop/: {text!r}")
    return text.removeprefix("/")


def key_prefixes(text: str) -> tuple[str, ...]:
    """Several of them, separated by commas; none lies below another."""
    found = tuple(sorted({key_prefix(part.strip()) for part in text.split(",")}))
    for one, other in pairwise(each for each in found if each):
        if other.startswith(one):
            raise ValueError(f"has {other}, which is below {one}: {text!r}")
    return found


def secret_url(*schemes: str) -> Callable[[str], Url]:
    """A URL of one of the schemes, which may hold secrets; no error shows it."""

    def parse(text: str) -> Url:
        if text.partition("://")[0].lower() not in schemes:
            raise ValueError(f"is not a {schemes[0]}:// URL")
        return Url(text)

    return parse


def public_url(*schemes: str) -> Callable[[str], str]:
    """A URL of one of the schemes that is not secret: without user and parameters."""

    def parse(text: str) -> str:
        url = secret_url(*schemes)(text)
        if url.has_login:
            raise ValueError(
                "contains a user or a password, but the URL is not secret; leave them out"
            )
        if "?" in text or "#" in text:
            raise ValueError("has parameters after ? or #; leave them out")
        return text

    return parse
