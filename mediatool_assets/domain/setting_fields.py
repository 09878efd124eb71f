"""How a setting is declared, and the parsers of their values."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mediatool_assets.domain.signing import SigningKey, TrustedKey, is_public, is_secret
from mediatool_assets.domain.signing import trusted_keys as parse_trusted_keys
from mediatool_assets.domain.urls import Url

PREFIX = "MEDIATOOL_"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the annotation of a field says of the setting; its type and default are the field's.

    ``parse`` raises ValueError with the rest of a sentence about the variable. ``otherwise`` says
    in words what an unset variable means, where the default does not. ``inherits`` names the field
    whose value an unset variable takes. ``exists`` says what a path has to name. ``separator``
    stands between the items of a list in the settings file.
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
        raise ValueError(f"holds a space: {text!r}")
    return text


def words(text: str) -> str:
    """One word, or several with commas between them, each once."""
    names = [name for part in text.split(",") if (name := part.strip())]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"names nothing, or one thing twice: {text!r}")
    return ",".join(map(word, names))


def names(text: str) -> frozenset[str]:
    """A set of names with commas between them."""
    return frozenset(name for part in text.split(",") if (name := part.strip()))


def switch(text: str) -> bool:
    """``yes`` or ``no``."""
    if text.lower() not in ("yes", "no"):
        raise ValueError(f"is neither yes nor no: {text!r}")
    return text.lower() == "yes"


def choice(*words: str) -> Callable[[str], str]:
    """One of these words, in capital or small letters."""
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
    """A date as ISO 8601 has it."""
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
    """A text of which all matches the pattern."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is not {what}: {text!r}")
        return text

    return parse


def path(text: str) -> Path:
    """A path; whether something is there is seen at the edge (stores/environment.py)."""
    return Path(text)


def signing_key(text: str) -> SigningKey | Path:
    """A secret key as text, or the path of a file that holds one."""
    return SigningKey.parse(text) if is_secret(text) else Path(text)


def trusted_keys(text: str) -> tuple[TrustedKey, ...] | Path:
    """Public keys, or the path of a file that holds them."""
    return parse_trusted_keys(text) if is_public(text) else Path(text)


def secret_url(*schemes: str) -> Callable[[str], Url]:
    """A URL of one of the schemes, which may hold secrets; no error shows it."""

    def parse(text: str) -> Url:
        if text.partition("://")[0].lower() not in schemes:
            raise ValueError(f"is not a {schemes[0]}:// URL")
        return Url(text)

    return parse


def public_url(*schemes: str) -> Callable[[str], str]:
    """A URL of one of the schemes that anybody may see: it names no user and has no parameters."""

    def parse(text: str) -> str:
        url = secret_url(*schemes)(text)
        if url.has_login:
            raise ValueError("holds a user or a password, and is shown; leave them out")
        if "?" in text or "#" in text:
            raise ValueError("has parameters behind ? or #; leave them out")
        return text

    return parse
