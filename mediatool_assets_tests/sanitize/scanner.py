"""A scanner that shares no code with the product: is a value in a text, however it is written?

It is slow and simple: every text is brought to letters and digits alone, in some normal forms and
alphabets, and everything that could be encoded in it is decoded and looked at again.
"""

import base64
import binascii
import html
import io
import json
import re
import tarfile
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote_plus

_LOOK = str.maketrans("аеорсхуіѕԁΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕКМНОРСТХ", "aeopcxyisdABEZHIKMNOPTYXABEKMHOPCTX")
_LOOK |= str.maketrans("ᴀʙᴅᴇꜰɢʜᴊᴋʟᴍɴᴘꞯʀᴛᴜ", "abdefghjklmnpqrtu")
_LOOK |= {0x1F170 + n: ord("a") + n for n in range(26)}
_START = 6
_URLS = str.maketrans("-_", "+/")


def plain(text: str) -> str:
    """Letters and digits alone, of whatever case, accent and look."""
    apart = unicodedata.normalize("NFKD", text).translate(_LOOK).casefold()
    return "".join(c for c in apart if c.isalnum())


def readings(text: str, depth: int = 3) -> Iterator[str]:
    """A text, and all that it may hold in another form."""
    yield text
    if depth == 0:
        return
    inner = {html.unescape(text), unquote_plus(text), re.sub("<[^<>]+>", "", text)}
    try:
        inner.add(json.loads(f'"{text}"'))
    except ValueError:
        inner.add(re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text))
    for run in re.findall(r"[A-Za-z0-9+/_=-]{8,}", text):
        for part in {run, *re.split("[+/_-]", run)}:
            inner |= set(_decoded(part))
    for other in inner - {text}:
        yield from readings(other, depth - 1)


def _decoded(run: str) -> Iterator[str]:
    body = run.rstrip("=")
    with suppress(binascii.Error, ValueError):
        yield base64.b64decode(body.translate(_URLS) + "=" * (-len(body) % 4)).decode()
    for digits in re.findall(r"(?:[0-9a-fA-F]{2}){5,}", run):
        with suppress(ValueError):
            yield bytes.fromhex(digits).decode()


def found(values: set[str], texts: Iterator[str]) -> set[str]:
    """The values that are in one of the texts; each of them has six letters and more."""
    by_start: dict[str, list[tuple[str, str]]] = {}
    for value in values:
        form = plain(value)
        assert len(form) >= _START, f"too short: {len(form)}"
        by_start.setdefault(form[:_START], []).append((form, value))
    left: set[str] = set()
    for reading in {reading for text in texts for reading in readings(text)}:
        letters = plain(reading)
        for start in range(len(letters) - _START + 1):
            for form, value in by_start.get(letters[start : start + _START], ()):
                if letters.startswith(form, start):
                    left.add(value)
    return left


def strings(value: object) -> Iterator[str]:
    """Every text in what JSON holds, names among them; numbers as texts."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield str(name)
            yield from strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from strings(part)
    elif value is not None:
        yield str(value)


def of_archive(data: bytes) -> Iterator[str]:
    """Every different text of an archive: of its rows, and of its other files by lines."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            lines = file.read().decode().removesuffix("\n").split("\n")
            if member.name.endswith(".ndjson"):
                yield from {text for line in lines for text in strings(json.loads(line or "null"))}
            else:
                yield from lines
