"""Ways to write a value so that a search that compares texts as they are does not find it."""

import base64
import html
import json
import unicodedata
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

Disguise = Callable[[str], str]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" for c in text)


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in text)


def _look_alike(text: str) -> str:
    return text.translate(str.maketrans("aeopcx", "аеорсх"))


def _last_first(text: str) -> str:
    first, last = text.split()
    return f"{last}, {first}"


ANY: Mapping[str, Disguise] = {
    "as it is": str,
    "in a sentence": "we asked {} for it".format,
    "quoted": "'{}'".format,
    "in guillemets": "«{}»,".format,
    "of somebody": "{}'s".format,
    "of somebody, typographically": "{}’s".format,
    "a pattern": "%{}%".format,
    "an option": "--to={}!".format,
    "in brackets": "([{{{}}}])".format,
    "an XML attribute": '<a to="{}"/>'.format,
    "a list without spaces": "x;{};y".format,
    "upper case": str.upper,
    "lower case": str.lower,
    "swapped case": str.swapcase,
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "full width": lambda text: "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text
    ),
    "mathematical letters": lambda text: "".join(
        chr(0x1D5D4 + ord(c) - 65)
        if "A" <= c <= "Z"
        else chr(0x1D5EE + ord(c) - 97)
        if "a" <= c <= "z"
        else c
        for c in text
    ),
    "zero width spaces": "\u200b".join,
    "soft hyphens": lambda text: text[:4] + "\u00ad" + text[4:],
    "a bidi control": lambda text: f"\u202e{text}\u202c",
    "no-break spaces": lambda text: text.replace(" ", "\u00a0"),
    "look-alike letters": _look_alike,
    "small capitals": lambda text: text.lower().translate(
        str.maketrans("abdefghjklmnpqrtu", "ᴀʙᴅᴇꜰɢʜᴊᴋʟᴍɴᴘꞯʀᴛᴜ")
    ),
    "letters in squares": lambda text: "".join(
        chr(0x1F170 + ord(c) - 65) if "A" <= c <= "Z" else c for c in text.upper()
    ),
    "digits of another script": lambda text: text.translate(
        str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    ),
    "tags within": lambda text: f"<i>{text[:2]}<b>{text[2:5]}</b>{text[5:]}</i>",
    "tags between": lambda text: f"<td>of</td><td>{text.replace(' ', '</td><td>')}</td><td>x</td>",
    "other spaces": lambda text: text.replace(" ", " \t "),
    "base64": _base64,
    "base64 in a sentence": lambda text: f"key {_base64(f'for {text}, as agreed')} of it",
    "base64 for URLs": lambda text: (
        base64.urlsafe_b64encode(f"to {text}?".encode()).decode().rstrip("=")
    ),
    "hex": lambda text: text.encode().hex(),
    "HEX of bytea": lambda text: "\\x" + text.encode().hex().upper(),
    "URL": lambda text: f"https://example.com/?q={quote(text)}",
    "a form's URL": lambda text: f"q={quote_plus(text)}&x=1",
    "every byte for URLs": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "HTML entities": _entities,
    "HTML twice": lambda text: html.escape(_entities(text)),
    "JSON escapes": _escaped,
    "JSON in a text": lambda text: json.dumps({"a": [f"x {text}"]}),
    "base64 of a URL": lambda text: _base64(quote(f"o={text}&p=1")),
    "hex of base64 of HTML": lambda text: _base64(_entities(text)).encode().hex(),
}
"""Of any text."""

OF_NAMES: Mapping[str, Disguise] = {
    "last name first": _last_first,
    "last name first, in capitals": lambda text: _last_first(text).upper(),
    "CamelCase": lambda text: text.replace(" ", ""),
    "camelCase within a name": lambda text: f"by{text.replace(' ', '')}Today",
    "snake_case": lambda text: text.replace(" ", "_").lower(),
    "snake_case within a name": lambda text: f"by_{text.replace(' ', '_').lower()}_2",
    "kebab-case": lambda text: text.replace(" ", "-").lower(),
    "dots": lambda text: text.replace(" ", ".").lower(),
    "no space at all": lambda text: text.replace(" ", "").lower(),
    "a sign that is none": lambda text: text.replace(" ", "\u2800"),
}
"""Of the name of a person, of two words."""

OF_MAILS: Mapping[str, Disguise] = {
    "at and dot": lambda text: text.replace("@", " at ").replace(".", " dot "),
    "[at] and (dot)": lambda text: text.replace("@", " [at] ").replace(".", "(dot)"),
    "at alone": lambda text: text.replace("@", " at "),
    "a link": lambda text: f"<mailto:{text}>",
}

OF_TELEPHONES: Mapping[str, Disguise] = {
    "00": lambda text: text.replace("+", "00"),
    "the zero in brackets": lambda text: text.replace("+44 ", "+44 (0)"),
    "national": lambda text: text.replace("+44 ", "0"),
    "national, in groups": lambda text: text.replace("+44 20 ", "(020) "),
    "dots": lambda text: text.replace(" ", "."),
    "hyphens": lambda text: text.replace(" ", "-"),
    "digits": lambda text: text.replace(" ", "").lstrip("+"),
    "a link": lambda text: f"tel:{text.replace(' ', '')}",
}
"""Of ``+44 20 7946 0018``."""
