"""A scanner that shares no code with the product: is a value in a text, however it is written?

It is slow and simple: every text is brought to letters and digits alone, in some normal forms and
alphabets, and everything that could be encoded in it is decoded and looked at again.
"""

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote_plus

_LOOK = str.maketrans("аеорсхуіѕԁΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕКМНОРСТХ", "aeopcxyisdABEZHIKMNOPTYXABEKMHOPCTX")
_LOOK |= str.maketrans("ᴀʙᴅᴇꜰɢʜᴊᴋʟᴍɴᴘꞯʀᴛᴜ", "abdefghjklmnpqrtu")
_LOOK |= {0x1F170 + n: ord("a") + n for n in range(26)}
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
    """The values that are in one of the texts."""
    wanted = {plain(value): value for value in values}
    left: set[str] = set()
    for text in texts:
        for reading in readings(text):
            letters = plain(reading)
            left |= {value for form, value in wanted.items() if form in letters}
    return left
