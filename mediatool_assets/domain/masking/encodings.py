"""Texts inside texts: decodes base64, hexadecimal, URLs, HTML and its tags, and JSON escapes."""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

DEPTH = 3
"""The depth of nested encodings that is decoded: base64 of a URL's escapes of HTML's entities."""

_RUN = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:\\{0,2}x|0x|X')?((?:[0-9A-Fa-f]{2}){5,})(?![0-9A-Za-z])")
_SPLIT = re.compile(r"[+/_-]")
_URL = re.compile(r"%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(r"&#?\w+;?")
_TAG = re.compile(r"<[!/]?[A-Za-z-][^<>]*>")
_ESCAPE = re.compile(r'\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2}|["\\/bfnrt])')
_PRINTABLE = re.compile(rb"[\x20-\x7e]{6,}")
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def decoded(text: str) -> Iterator[tuple[str, str]]:
    """``(form, text)`` of all texts hidden in a text, up to ``DEPTH`` encodings deep."""
    seen, level = {text}, [text]
    for _ in range(DEPTH):
        deeper = []
        for outer in level:
            for form, inner in _undone(outer):
                if inner not in seen:
                    seen.add(inner)
                    deeper.append(inner)
                    yield form, inner
        if not deeper:
            return
        level = deeper


def _undone(text: str) -> Iterator[tuple[str, str]]:
    if "%" in text and _URL.search(text):
        yield "url", unquote(text)
        if "+" in text:
            yield "url", unquote_plus(text)
    if "&" in text and _ENTITY.search(text):
        yield "html", html.unescape(text)
    if "<" in text and _TAG.search(text):  # within a word, or between words
        yield "html", _TAG.sub("", text)
        yield "html", _TAG.sub(" ", text)
    if "\\" in text and _ESCAPE.search(text):
        yield "json", _paired(_ESCAPE.sub(_escape, text))
    if len(text) < 8:
        return
    for run in _RUN.findall(text):
        for part in {run, *_SPLIT.split(run)} if _SPLIT.search(run) else (run,):
            if len(part) >= 8 and (inner := _base64(part)):
                yield "base64", inner
    for digits in _HEX.findall(text):
        if inner := readable(bytes.fromhex(digits)):
            yield "hex", inner


def _base64(run: str) -> str | None:
    if run.isdigit() or run.islower():  # of a text's bytes it has both cases, but for one in 10,000
        return None
    whole = run[: len(run) - (len(run) % 4 == 1)]
    standard = whole.replace("-", "+").replace("_", "/")
    try:
        return readable(base64.b64decode(standard + "=" * (-len(standard) % 4)))
    except (binascii.Error, ValueError):
        return None


def readable(data: bytes) -> str | None:
    """The bytes as UTF-8, or their printable characters; None if there are none."""
    try:
        found = data.decode()
    except UnicodeDecodeError:
        return "\n".join(part.decode() for part in _PRINTABLE.findall(data)) or None
    return found if any(c.isalnum() or not c.isascii() for c in found) else None  # 🅰 is no letter


def _escape(found: re.Match[str]) -> str:
    text = found[0][1:]
    if text[0] in "ux" and len(text) > 1:
        number = int(text[1:].strip("{}"), 16)
        return chr(number) if number <= 0x10FFFF else found[0]
    return _PLAIN.get(text, text)


def _paired(text: str) -> str:
    """Join surrogate pairs, as JSON escapes characters beyond 16 bits."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return text
