"""A column and its rule become a function from a value's JSON to the masked value's JSON."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from mediatool_assets.domain.json_numbers import is_double, only_doubles
from mediatool_assets.domain.masking.json_paths import masked, path_tree
from mediatool_assets.domain.masking.masker import Masker
from mediatool_assets.domain.masking.pseudonyms import LONGEST
from mediatool_assets.domain.masking.redaction import (
    STEPS,
    generalized_date,
    generalized_number,
    is_amount,
    is_date,
    noisy,
)
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb
from mediatool_assets.domain.masking.texts import items
from mediatool_assets.domain.masking.types import Family, Values
from mediatool_assets.domain.schema import Column

Mask = Callable[[bytes], bytes]

_TEXT = msgspec.json.Decoder(str)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.encode
_EXACT = 1 << 53  # integers beyond are strings in an archive
_EMPTIED = {b"{": b"{}", b"[": b"[]", b"t": b"false", b"f": b"false"}
_SHORT = 15  # digits that every double holds


def column_mask(masker: Masker, rule: MaskingRule, place: str, column: Column) -> Mask | None:
    """The function for a column, or None where its values are kept as they are.

    ``place`` is what its values are counted under. The rule has been found to fit (``checks``).
    The function raises json_paths.Unclassified.
    """
    values = Values.of(column)
    if rule.verb is MaskingVerb.KEEP:
        return None
    if rule.verb is MaskingVerb.JSON:
        return _document(masker, rule, place, values.family is Family.JSONB)
    one = _counted(masker, (place, rule.words), _mask(masker, rule, values))
    is_array = column.element is not None and rule.verb is not MaskingVerb.DROP
    return _of_arrays(masker, one, values) if is_array else one


def _counted(masker: Masker, what: tuple[str, str], mask: Mask) -> Mask:
    def counted(value: bytes) -> bytes:
        if value == b"null":
            return value
        masker.counts[what] += 1
        return mask(value)

    return counted


def _of_arrays(masker: Masker, mask: Mask, values: Values) -> Mask:
    """Element by element; an array that is written as its text is emptied."""
    as_text = (Family.ENUM, Family.OTHER, Family.JSON, Family.JSONB)
    empty = b'"{}"' if values.family in as_text else b"[]"

    def of_array(value: bytes) -> bytes:
        if value.startswith(b"["):
            return b"[" + b",".join([of_array(bytes(v)) for v in _ARRAY.decode(value)]) + b"]"
        return mask(value)

    def of_value(value: bytes) -> bytes:
        if not value.startswith(b'"'):
            return of_array(value)
        masker.taken(_encode(list(items(_TEXT.decode(value)))))
        return empty

    return of_value


def _mask(masker: Masker, rule: MaskingRule, values: Values) -> Mask:
    match rule.verb:
        case MaskingVerb.PSEUDONYM if values.family is Family.INTEGER:
            return lambda v: _integer(masker.integer(rule.argument, int(v.strip(b'"'))))
        case MaskingVerb.PSEUDONYM:
            return lambda v: _encode(masker.pseudonym(rule.argument, _TEXT.decode(v)))
        case MaskingVerb.NOISE | MaskingVerb.GENERALIZE:
            return _coarse(masker, rule, values)
        case MaskingVerb.REDACT if values.family is Family.TEXT:
            return lambda v: _encode(masker.redacted(_TEXT.decode(v)))
        case _:
            return _taking(
                masker, values, None if rule.verb is MaskingVerb.DROP else values.constant
            )


def _taking(masker: Masker, values: Values, constant: bytes | None) -> Mask:
    """What stands for every value. Times, truths and an enum's are equal by chance, others not."""
    made = constant or b"null"

    def of_text(value: bytes) -> bytes:
        masker.taken(value)
        return made

    def of_number(value: bytes) -> bytes:
        masker.taken(value.strip(b'"'))
        return made

    def of_document(value: bytes) -> bytes:
        masker.taken(_TEXT.decode(value).encode() if value.startswith(b'"') else value)
        return made

    match values.family:
        case Family.TIME | Family.BOOLEAN | Family.ENUM:
            return lambda _: made
        case Family.INTEGER | Family.DECIMAL | Family.FLOAT:
            return of_number
        case Family.JSON | Family.JSONB:
            return of_document
        case _:
            return of_text


def _coarse(masker: Masker, rule: MaskingRule, values: Values) -> Mask:
    if values.family is Family.TEXT:
        length = _first(rule)
        return lambda v: _encode(_beginning(masker, _TEXT.decode(v), length))
    if rule.argument in STEPS:
        return lambda v: _encode(generalized_date(_TEXT.decode(v), rule.argument))
    change = _change(masker, rule, values.limit)
    if values.family is Family.DECIMAL:
        return lambda v: _encode(change(_TEXT.decode(v)))
    return lambda v: _integer(int(change(v.strip(b'"').decode())))


def _first(rule: MaskingRule) -> int:
    return int(rule.argument.removeprefix("first "))


def _beginning(masker: Masker, value: str, length: int) -> str:
    """Its first characters; the search finds what is all there still."""
    masker.taken(_encode(value))
    return value[:length]


def _change(masker: Masker, rule: MaskingRule, limit: Decimal | None) -> Callable[[str], str]:
    """Noise, or a step, on the text of a number."""
    if rule.verb is MaskingVerb.NOISE:
        percent = int(rule.argument)
        return lambda text: noisy(masker.noise_key, text, percent, limit)
    step = Decimal(rule.argument)
    return lambda text: generalized_number(text, step)


def _integer(value: int) -> bytes:
    """As an archive writes a bigint."""
    text = str(value).encode()
    return text if abs(value) <= _EXACT else b'"' + text + b'"'


def _document(masker: Masker, rule: MaskingRule, place: str, is_jsonb: bool) -> Mask:
    tree = path_tree(rule)
    leaf = _Leaf(masker, place)

    def document(value: bytes) -> bytes:
        if value == b"null":
            return value
        is_text = value.startswith(b'"')
        text = _TEXT.decode(value).encode() if is_text else value
        leaf.wide = is_text
        try:
            made = masked(text, tree, rule.otherwise, leaf)
        except msgspec.DecodeError:  # json holds what no reader of UTF-8 takes: half surrogates
            masker.counts[place, "redact"] += 1
            masker.taken(text)
            made = b"{}"
        if not is_jsonb:
            return _encode(made.decode())
        if made.startswith(b'"') or made == b"null" or (leaf.wide and not only_doubles(made)):
            return _encode(made.decode())
        return made

    return document


class _Leaf:
    """Masks one place of a document; ``wide`` when it has made a number that no double holds."""

    def __init__(self, masker: Masker, place: str) -> None:
        self._masker, self._place, self.wide = masker, place, False
        self._counted: dict[int, tuple[str, str]] = {}

    def __call__(self, value: bytes, rule: MaskingRule) -> bytes:
        if rule.verb is MaskingVerb.KEEP or value == b"null":
            return value
        if id(rule) not in self._counted:  # to hash a rule would cost more than to mask by it
            self._counted[id(rule)] = self._place, rule.words
        self._masker.counts[self._counted[id(rule)]] += 1
        first = value[:1]
        if rule.verb is MaskingVerb.DROP or first in _EMPTIED:
            self._masker.taken(value)
            return b"null" if rule.verb is MaskingVerb.DROP else _EMPTIED[first]
        if first == b'"':
            return self._text(_TEXT.decode(value), rule)
        return self._number(value.decode(), rule)

    def _text(self, value: str, rule: MaskingRule) -> bytes:
        if rule.verb is MaskingVerb.PSEUDONYM:
            return bytes(_encode(self._masker.pseudonym(rule.argument, value)))
        if rule.verb is MaskingVerb.GENERALIZE and rule.argument.startswith("first "):
            return bytes(_encode(_beginning(self._masker, value, _first(rule))))
        if rule.verb is MaskingVerb.GENERALIZE and rule.argument in STEPS and is_date(value):
            return bytes(_encode(generalized_date(value, rule.argument)))
        return bytes(_encode(self._masker.redacted(value)))

    def _number(self, value: str, rule: MaskingRule) -> bytes:
        made = self._changed(value, rule).encode()
        if len(made) > _SHORT and not is_double(made.lstrip(b"-")):
            self.wide = True
        return made

    def _changed(self, value: str, rule: MaskingRule) -> str:
        plain = value.lstrip("-")
        if rule.verb is MaskingVerb.PSEUDONYM:
            is_number = self._masker.kind(rule.argument).format == "number"
            if is_number and plain.isdecimal() and len(plain) <= LONGEST:
                return str(self._masker.integer(rule.argument, int(value)))
        words = rule.argument in STEPS or rule.argument.startswith("first ")
        if (
            rule.verb in (MaskingVerb.NOISE, MaskingVerb.GENERALIZE)
            and not words
            and is_amount(value)
        ):
            return _change(self._masker, rule, None)(value)
        self._masker.taken(value.encode())
        return "0"
