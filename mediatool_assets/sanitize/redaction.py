"""Values that are removed, made coarser or given noise; the form of the value is kept.

Masks the values of a share of rows, and records what it did for the proof.

Texts inside texts: decodes base64, hexadecimal, URLs, HTML and its tags, and JSON escapes.

The texts in a value's JSON; an array or object has those of its items.

The tokenizer of the search for originals, for the originals and for the output alike.

A text is read as words: in Unicode's compatibility form, without case, accents, invisible
characters and punctuation, and split where case changes inside a word (``AdaAshgrove``). A term is
a run of consecutive words written together, so that ``Ada Ashgrove``, ``'ADA-ASHGROVE'``,
``ada_ashgrove's`` and ``AdaAshgrove`` all contain the term ``adaashgrove``. A space between two
digits is kept: 2025-01-02 is not 20250102.

Letters that look like one of the Latin alphabet, and which: а is a, Р is P.

From Unicode's confusables.txt (UTS 39; Unicode License v3), by way of the package
confusable-homoglyphs 3.3.1: of its pairs, those of one letter outside ASCII with one of ASCII of
the same case, without what NFKC makes a letter of ASCII already; and the Latin letters with a
stroke (ø, ł, đ, ħ, ŧ), which no normal form takes apart. Added are what generators of fancy text
write: small capitals, letters in black circles and squares, and those of flags; and the digits of
other scripts, by their values. Digits that look like letters are left out: 0 is no o.
"""

import base64
import binascii
import html
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Context, Decimal, InvalidOperation, localcontext
from itertools import pairwise
from types import MappingProxyType
from urllib.parse import unquote, unquote_plus

import msgspec

from mediatool_assets.core.signing import KeyedDigest, MaskingKey
from mediatool_assets.sanitize.pseudonyms import PseudonymKind, Pseudonyms, text

_WHOLE, _FRACTION = 131_072, 16_383  # digits of PostgreSQL's numeric before and after its point
_EXACT = Context(prec=_WHOLE + _FRACTION)
_MOST = Decimal(f"1e{_WHOLE - 1}")  # with noise on what is beyond, it could get too long
MONEY_LIMIT = Decimal("92233720368547758.07")

_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_SHORT = 100  # characters; a shorter text cannot exceed numeric's range
_DATE = re.compile(
    r"(\d{4,})-(\d\d)-(\d\d)(?:T\d\d:\d\d:\d\d(?:\.\d+)?((?:[+-]\d\d(?::\d\d){0,2}|Z)?))?( BC)?",
    re.ASCII,
)
_FOREVER = ("infinity", "-infinity")
STEPS = ("year", "quarter", "month", "day")


def redacted_text(digest: KeyedDigest, value: str) -> str:
    """Plain words of the same length; an empty text stays empty."""
    if not value:
        return value
    made = digest(value.encode("utf-8", "surrogatepass"))
    return text(int.from_bytes(made[:2]), len(value))


def is_date(value: str) -> bool:
    """Whether a text is a date or time as PostgreSQL writes it, including infinity."""
    return value in _FOREVER or _DATE.fullmatch(value) is not None


def is_amount(value: str) -> bool:
    """Whether numeric can hold a number; expanding a larger one could exhaust the memory."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return False
    if not number.is_finite():
        return True
    return number.adjusted() < _WHOLE and int(number.as_tuple().exponent) >= -_FRACTION


def generalized_date(value: str, step: str) -> str:
    """The first day of its year, quarter or month, or the day; infinity is unchanged.

    Raises ValueError if it is not a date.
    """
    found = _DATE.fullmatch(value)
    if found is None:
        if value in _FOREVER:
            return value
        raise ValueError("no date")
    year, month, day, zone, era = found.groups()
    match step:
        case "year":
            month, day = "01", "01"
        case "quarter":
            month, day = f"{(int(month) - 1) // 3 * 3 + 1:02}", "01"
        case "month":
            day = "01"
    midnight = "" if zone is None else f"T00:00:00{zone}"
    return f"{year}-{month}-{day}{midnight}{era or ''}"


def generalized_number(value: str, step: Decimal) -> str:
    """The multiple of ``step`` at or below it, at the value's own scale; NaN and infinity stay.

    Raises ValueError if it is not an amount.
    """
    number = _amount(value)
    if not number.is_finite():
        return value
    with localcontext(_EXACT):
        return plain_number((number // step - (number % step < 0)) * step, number)


def noisy(digest: KeyedDigest, value: str, percent: int, limit: Decimal | None = None) -> str:
    """The number changed by some percent below 100; equal numbers give equal results.

    Equal amounts at different scales do too. The sign and the number of decimals are kept. Zero
    stays zero, and no other number becomes zero. The change is at least a quarter of ``percent``;
    the result does not exceed ``limit``, if given. Raises ValueError if it is not an amount.
    """
    if len(value) > _SHORT or not _PLAIN.fullmatch(value):
        amount = _amount(value)
        if not amount.is_finite():
            return value
        value = f"{amount:f}"
    sign = "-" if value.startswith("-") else ""
    whole, _, fraction = value.removeprefix("-").partition(".")
    units = int(Decimal(whole + fraction))  # of the last digit: as many as the scale says
    if not units:
        return value
    number = f"{sign}{whole.lstrip('0')}.{fraction.rstrip('0')}"
    made = digest(number.encode())
    share = int.from_bytes(made[:8]) % 750_001 + 250_000  # of a million
    change = units * share * percent // 100_000_000
    if made[8] % 2 and not _is_beyond(units + change, len(fraction), limit):
        change = -change
    digits = f"{Decimal(units - change):f}".zfill(len(fraction) + 1)
    cut = len(digits) - len(fraction)
    return f"{sign}{digits[:cut]}{'.' if fraction else ''}{digits[cut:]}"


def _is_beyond(units: int, scale: int, limit: Decimal | None) -> bool:
    """Whether this many units of the last digit exceed the type's limit."""
    return Decimal(units) > (_MOST if limit is None else limit).scaleb(scale, _EXACT)


def _amount(value: str) -> Decimal:
    if not is_amount(value):
        raise ValueError("no amount")
    return Decimal(value)


def plain_number(made: Decimal, like: Decimal) -> str:
    """A number without an exponent, at the scale of ``like``."""
    scale = max(0, -int(like.as_tuple().exponent))
    text = f"{made:.{scale}f}"
    return text.removeprefix("-") if not made else text


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
_PLAIN_TEXT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


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
    return _PLAIN_TEXT.get(text, text)


def _paired(text: str) -> str:
    """Join surrogate pairs, as JSON escapes characters beyond 16 bits."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return text


_JSON = msgspec.json.Decoder()
_EXACT_TEXT = msgspec.json.Decoder(float_hook=str)
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|[^{},"]+', re.DOTALL)


def parsed(text: str | bytes, decoder: "msgspec.json.Decoder[object]" = _JSON) -> object:
    """The value of a JSON text; raises ValueError, RecursionError.

    Lone surrogates are accepted, and numbers that no double holds are read as texts.
    """
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(text, parse_int=str, parse_float=str)


def texts(value: bytes) -> Iterator[str]:
    """The texts of a JSON value, and its numbers as texts.

    Names of objects are included unless they are plain words: an address or an id is included.
    Plain words are an application's own field names, which occur anywhere.
    """
    try:
        yield from list(_texts(parsed(value, _EXACT_TEXT)))
    except (ValueError, RecursionError):  # invalid or too deep: treated as one text
        yield value.decode(errors="replace")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (name for name in value if not name.isidentifier())
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def items(array: str) -> Iterator[str]:
    """The elements of an array in PostgreSQL's text form, ``{a,"b c"}``."""
    for found in _ITEM.finditer(array):
        yield found[0] if found[1] is None else re.sub(r"\\(.)", r"\1", found[1])


_BY_LETTER = {
    "A": "ΑАᎪ",
    "a": "ɑαаᗅꓮ𐊠𖽀",
    "B": "ƄΒВЬᏏᏴꞴ",
    "b": "ᑲᖯᗷꓐ𐊂𐊡𐌁",
    "C": "СᏟⲤ𐐕",
    "c": "сᴄⲥꓚꮯ𐊢𐌂𐐽𐔜",
    "D": "ĐᎠᏧ",
    "d": "ðđԁᑯᗞᗪꓒꓓ",
    "E": "ΕЕᎬ𑢦𑢮",
    "e": "еҽⴹꓰꬲ𐊆",
    "F": "ϜꞘ𑢢",
    "f": "քᖴẝꓝꞙꬵ𐊇𐊥𐔥𑣂",
    "G": "ԌᏀᏳ",
    "g": "ƍɡցᶃꓖ",
    "H": "ĦΗНᎻᏂⲎ",
    "h": "ħһհᕼꓧ𐋏",
    "I": "ΙІӀᎥ",
    "i": "ıɩɪιіӏꙇꭵ𑣃",
    "J": "ͿЈᎫꞲ",
    "j": "ϳјᒍꓙ",
    "K": "ΚКᏦⲔ",
    "k": "ᛕꓗ𐔘",
    "L": "ŁƖᏞⲒⳐ𐐛𑢣𑢲",
    "l": "łǀᒪᛁⵏꓡꓲ𐊊𐌉𐔦𖼖𖼨",
    "M": "ΜϺМᎷⲘ",
    "m": "ᗰᛖꓟ𐊰𐌑",
    "N": "ΝⲚ",
    "n": "ոռꓠ𐔓",
    "O": "ØΟОՕⲞ𐐄𐓂𑢵",
    "o": "øοσоօଠഠဝჿዐᴏᴑⲟⵔꓳꬽ𐊒𐊫𐐬𐓪𐔖𑣈𑣗",
    "P": "ΡРᏢⲢ",
    "p": "ρрᑭⲣꓑ𐊕",
    "q": "ԛգզⵕ",
    "R": "ƦᎡᏒ𐒴",
    "r": "гᖇᴦⲅꓣꭇꭈꮁ𖼵",
    "S": "ЅՏᏕᏚ𐐠",
    "s": "ƽѕꓢꜱꮪ𐊖𐑈𑣁𖼺",
    "T": "ŦΤТᎢⲦ𑢼",
    "t": "ŧꓔ𐊗𐊱𐌕𖼊",
    "U": "Ս𐓎𑢸",
    "u": "ʋυսሀᑌᴜꓴꞟꭎꭒ𐓶𑣘𖽂",
    "V": "ѴᏙ𑢠",
    "v": "νѵᐯᴠⴸꓦꛟꮩ𐔝𑜆𑣀𖼈",
    "W": "ԜᎳᏔ",
    "w": "ɯѡԝաᴡꓪꮃ𑜊𑜎𑜏",
    "X": "ΧХⲬꞳ",
    "x": "хᕁᕽᚷⵝꓫ𐊐𐊴𐌗𐔧",
    "Y": "ΥУҮᎩᎽⲨ𑢤",
    "y": "ɣʏγуүყᶌỿꓬꭚ𐊲𑣜𖽃",
    "Z": "ΖᏃ𑢩",
    "z": "ᴢꓜꮓ𑣄",
}  # fmt: skip

_SMALL_CAPITALS = dict(zip("abdefghjklmnpqrtu", "ᴀʙᴅᴇꜰɢʜᴊᴋʟᴍɴᴘꞯʀᴛᴜ", strict=True))
_BOXED_ALPHABETS = (0x1F150, 0x1F170, 0x1F1E6)
_ZEROS = (
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810,
)  # fmt: skip

LOOK_ALIKES: Mapping[int, str] = MappingProxyType(
    {ord(found): letter for letter, found_all in _BY_LETTER.items() for found in found_all}
    | {ord(found): letter for letter, found in _SMALL_CAPITALS.items()}
    | {first + n: chr(ord("A") + n) for first in _BOXED_ALPHABETS for n in range(26)}
    | {zero + n: str(n) for zero in _ZEROS for n in range(10)}
)
"""For ``str.translate``."""


SHORTEST, SHORTEST_NUMBER = 6, 8
"""The least characters of an original that is searched for: shorter ones occur by chance."""

SHORTEST_TERM = 5
"""The least characters of a term: a two-word original of six characters has one of five."""

LONGEST = 64
"""The most words of a term. A longer original is searched for by its first and its last 64 words:
long texts are quoted from one end, and one more term for every word would cost the most memory.
"""

_INVISIBLE = dict.fromkeys(
    [
        0x00AD, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180E, 0x2800,
        0x3164, 0xFEFF, 0xFFA0, *range(0x200B, 0x2010), *range(0x202A, 0x202F),
        *range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE01F0),
    ]
)  # fmt: skip
_ACCENTS = dict.fromkeys(
    [
        *range(0x0300, 0x0370), *range(0x1AB0, 0x1B00), *range(0x1DC0, 0x1E00),
        *range(0x20D0, 0x2100), *range(0xFE20, 0xFE30),
    ]
)  # fmt: skip
_WORD = re.compile(r"[^\W_]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_CUT = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z]{4})(?=[0-9])")
_HUMP = re.compile(r"[a-z][A-Z]|[A-Za-z]{4}[0-9]")  # where _CUT splits, and far faster to search
_BARE_UUID = re.compile(
    r"(?<![0-9a-z])([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})(?![0-9a-z])",
    re.IGNORECASE,
)
_SILENT = frozenset({"at", "dot"})
"""The words of a spelt-out address; removed from every text, so that ``at`` equals ``@``."""


def visible(text: str) -> str:
    """A text in Unicode's compatibility form, without invisible characters."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(_INVISIBLE)


def readings(text: str) -> Iterator[list[str]]:
    """The words of a text; and again with look-alike letters as Latin ones, if it has any.

    So a Cyrillic name and the Latin name that looks like it are both found, in any case.
    """
    if len(text) >= 32:
        text = _BARE_UUID.sub(r"\1-\2-\3-\4-\5", text)
    if text.isascii():
        cut = _CUT.sub(" ", text) if _HUMP.search(text) else text
        yield [word for word in _ASCII_WORD.findall(cut.lower()) if word not in _SILENT]
        return
    plain = visible(text)
    first = _bare(plain)
    yield [word for word in _WORD.findall(first) if word not in _SILENT]
    apart = unicodedata.normalize("NFKD", plain).translate(_ACCENTS)
    second = _bare(apart.translate(LOOK_ALIKES))
    if second != first:
        yield [word for word in _WORD.findall(second) if word not in _SILENT]


def _bare(text: str) -> str:
    """Split where case changes, without case and accents, in composed form."""
    cut = [a + " " if a.islower() and b.isupper() else a for a, b in pairwise(text)]
    humps = _CUT.sub(" ", "".join(cut) + text[-1:]).casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", humps).translate(_ACCENTS))


def joined(words: list[str]) -> str:
    """The term of these words together."""
    term = words[0] if words else ""
    for word in words[1:]:
        term += f" {word}" if term[-1].isdigit() and word[0].isdigit() else word
    return term


def is_telling(words: list[str]) -> bool:
    """Whether an original of these words is distinctive enough to be searched for."""
    characters = sum(map(len, words))
    if all(map(str.isdecimal, words)):
        return characters >= SHORTEST_NUMBER
    return characters >= SHORTEST_TERM and characters + len(words) - 1 >= SHORTEST


def terms_of(original: str, *, is_name: bool = False) -> set[str]:
    """The terms by which an original is searched for; none if it is not distinctive enough.

    A person's name (``is_name``) is also searched for with its last word first.
    """
    found: set[str] = set()
    for words in readings(original):
        if not is_telling(words):
            continue
        if len(words) <= LONGEST:
            found.add(joined(words))
        else:
            found |= {joined(words[:LONGEST]), joined(words[-LONGEST:])}
        if is_name and 1 < len(words) <= LONGEST:
            found |= {joined([words[-1], *words[:-1]]), joined([*words[1:], words[0]])}
            if len(words) > 2:  # without the middle words
                found |= {joined([words[0], words[-1]]), joined([words[-1], words[0]])}
    return found


NAME_PART = 5
"""The least letters of a part of a name: shorter ones are too often ordinary words."""

REDACTED = "(redacted)"
"""The kind of every text that was removed."""


class Masker:
    """A key in use. ``pairs`` holds, by kind, each distinct original and its replacement.

    ``counts`` holds the number of masked values, by column and rule. ``begin`` clears both, so
    their size is bounded by the values masked between two calls.
    """

    def __init__(self, key: MaskingKey, kinds: Iterable[PseudonymKind]) -> None:
        self._kinds = {kind.name: Pseudonyms(key, kind) for kind in kinds}
        self._redact = KeyedDigest(key.derive("redact"))
        self.noise = KeyedDigest(key.derive("noise"))
        self.begin()

    def begin(self) -> None:
        """Clear the records."""
        self.pairs: dict[str, dict[str, str]] = {name: {} for name in (*self._kinds, REDACTED)}
        self.counts: Counter[tuple[str, str]] = Counter()

    def name_parts(self) -> set[str]:
        """The words of five or more letters in the names of people that were masked."""
        people = [name for name, made in self._kinds.items() if made.kind.format == "person"]
        values = (value for name in people for value in self.pairs[name])
        words = (word for value in values for reading in readings(value) for word in reading)
        return {word for word in words if len(word) >= NAME_PART and word.isalpha()}

    def kind(self, name: str) -> PseudonymKind:
        """The pseudonym kind of that name."""
        return self._kinds[name].kind

    def pseudonym(self, kind: str, value: str) -> str:
        """The pseudonym of a text."""
        made = self.pairs[kind][value] = self._kinds[kind].text(value)
        return made

    def integer(self, kind: str, value: int) -> int:
        """The pseudonym of a whole number."""
        made = self._kinds[kind].integer(value)
        self.pairs[kind][str(value)] = str(made)
        return made

    def redacted(self, value: str) -> str:
        """Filler words with the length of a text."""
        made = self.pairs[REDACTED][value] = redacted_text(self._redact, value)
        return made

    def taken(self, value: bytes) -> None:
        """Record the texts of a value's JSON that was removed completely."""
        for each in texts(value):
            self.pairs[REDACTED].setdefault(each, "")
