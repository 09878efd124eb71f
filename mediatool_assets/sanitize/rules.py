"""Turns a column and its rule into a function from a value's JSON to the masked value's JSON."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache, partial

import msgspec

from mediatool_assets.domain.json_numbers import is_double, only_doubles
from mediatool_assets.domain.masking.json_paths import Mask, document_mask, path_tree
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
from mediatool_assets.domain.masking.types import ColumnValues, TypeFamily
from mediatool_assets.domain.schema import Column

_TEXT = msgspec.json.Decoder(str)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.encode
_EXACT = 1 << 53  # larger integers are strings in an archive
_EMPTIED = {b"{": b"{}", b"[": b"[]", b"t": b"false", b"f": b"false"}
_REMEMBERED = 1 << 13
"""The number of distinct values, by column or path, whose masked values a share caches."""


def column_mask(masker: Masker, rule: MaskingRule, place: str, column: Column) -> Mask | None:
    """The function for a column, or None if its values are kept.

    Its values are counted under ``place``. The rule must fit the column (``checks``). Use the
    function for the values of one share only: a value from its cache is not reported to ``masker``
    again. It raises json_paths.Unclassified.
    """
    values = ColumnValues.of(column)
    if rule.verb is MaskingVerb.KEEP:
        return None
    if rule.verb is MaskingVerb.JSON:
        return _document(masker, rule, place, values.family is TypeFamily.JSONB)
    one = _counted(masker, (place, rule.words), _mask(masker, rule, values))
    is_array = column.element is not None and rule.verb is not MaskingVerb.DROP
    return _of_arrays(masker, one, values) if is_array else one


def _counted(masker: Masker, what: tuple[str, str], mask: Mask) -> Mask:
    counts, remembered = masker.counts, lru_cache(_REMEMBERED)(mask)

    def counted(value: bytes) -> bytes:
        if value == b"null":
            return value
        counts[what] += 1
        return remembered(value)

    return counted


def _of_arrays(masker: Masker, mask: Mask, values: ColumnValues) -> Mask:
    """Masks element by element; an array in PostgreSQL's text form becomes empty."""
    as_text = (TypeFamily.ENUM, TypeFamily.OTHER, TypeFamily.JSON, TypeFamily.JSONB)
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


def _mask(masker: Masker, rule: MaskingRule, values: ColumnValues) -> Mask:
    match rule.verb:
        case MaskingVerb.PSEUDONYM if values.family is TypeFamily.INTEGER:
            return lambda v: _integer(masker.integer(rule.argument, int(v.strip(b'"'))))
        case MaskingVerb.PSEUDONYM if values.base == "character":  # trailing blanks do not count
            length, kind = values.length or 0, rule.argument
            return lambda v: _encode(
                masker.pseudonym(kind, _TEXT.decode(v).rstrip(" ")).ljust(length)
            )
        case MaskingVerb.PSEUDONYM:
            return lambda v: _encode(masker.pseudonym(rule.argument, _TEXT.decode(v)))
        case MaskingVerb.NOISE | MaskingVerb.GENERALIZE:
            return _coarse(masker, rule, values)
        case MaskingVerb.REDACT if values.family is TypeFamily.TEXT:
            return lambda v: _encode(masker.redacted(_TEXT.decode(v)))
        case _:
            return _taking(
                masker, values, None if rule.verb is MaskingVerb.DROP else values.constant
            )


def _taking(masker: Masker, values: ColumnValues, constant: bytes | None) -> Mask:
    """Replace every value. Times, booleans and enums are not recorded: they recur by chance."""
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
        case TypeFamily.TIME | TypeFamily.BOOLEAN | TypeFamily.ENUM:
            return lambda _: made
        case TypeFamily.INTEGER | TypeFamily.DECIMAL | TypeFamily.FLOAT:
            return of_number
        case TypeFamily.JSON | TypeFamily.JSONB:
            return of_document
        case _:
            return of_text


def _coarse(masker: Masker, rule: MaskingRule, values: ColumnValues) -> Mask:
    if values.family is TypeFamily.TEXT:
        length = _first(rule)
        return lambda v: _encode(_beginning(masker, _TEXT.decode(v), length))
    if rule.argument in STEPS:
        return lambda v: _encode(generalized_date(_TEXT.decode(v), rule.argument))
    change = _change(masker, rule, values.limit)
    if values.family is TypeFamily.DECIMAL:
        return lambda v: _encode(change(_TEXT.decode(v)))
    return lambda v: _integer(int(change(v.strip(b'"').decode())))


def _first(rule: MaskingRule) -> int:
    return int(rule.argument.removeprefix("first "))


def _beginning(masker: Masker, value: str, length: int) -> str:
    """The first characters of a text; a short text that is kept whole is found by the search."""
    masker.taken(_encode(value))
    return value[:length]


def _change(masker: Masker, rule: MaskingRule, limit: Decimal | None) -> Callable[[str], str]:
    """The change of noise or generalize to the text of a number."""
    if rule.verb is MaskingVerb.NOISE:
        percent = int(rule.argument)
        return lambda text: noisy(masker.noise, text, percent, limit)
    step = Decimal(rule.argument)
    return lambda text: generalized_number(text, step)


def _integer(value: int) -> bytes:
    """An integer as an archive writes a bigint."""
    text = str(value).encode()
    return text if abs(value) <= _EXACT else b'"' + text + b'"'


def _document(masker: Masker, rule: MaskingRule, place: str, is_jsonb: bool) -> Mask:
    leaf = _Leaves(masker, place)
    mask = document_mask(path_tree(rule), leaf.mask, rule.otherwise, leaf.item)

    def document(value: bytes) -> bytes:
        if value == b"null" or mask is None:
            return value
        is_text = value.startswith(b'"')
        text = _TEXT.decode(value).encode() if is_text else value
        leaf.wide = is_text
        try:
            made = mask(text)
        except msgspec.DecodeError:  # json may hold lone surrogates, which no UTF-8 reader accepts
            masker.counts[place, "redact"] += 1
            masker.taken(text)
            made = b"{}"
        if not is_jsonb:
            return _encode(made.decode())
        if made.startswith(b'"') or made == b"null" or (leaf.wide and not only_doubles(made)):
            return _encode(made.decode())
        return made

    return document


class _Leaves:
    """Masks the values in a document; ``wide`` after it made a number that no double holds."""

    wide: bool
    """Set to begin a document."""

    def __init__(self, masker: Masker, place: str) -> None:
        self._masker, self._place, self._counts = masker, place, masker.counts

    def mask(self, rule: MaskingRule) -> Mask | None:
        """The function of a rule; None if values are kept."""
        if rule.verb is MaskingVerb.KEEP:
            return None
        what = self._place, rule.words
        make = lru_cache(_REMEMBERED)(self._maker(rule))

        def masked(value: bytes) -> bytes:
            if value == b"null":
                return value
            self._counts[what] += 1
            made, is_wide = make(value)
            self.wide |= is_wide
            return made

        return masked

    def item(self, mask: Mask) -> Mask:
        """The same function for the items of an array, which are often the same ones."""
        tallied = lru_cache(_REMEMBERED)(partial(self._tallied, mask))

        def masked(value: bytes) -> bytes:
            made, is_wide, counts = tallied(value)
            self.wide |= is_wide
            self._counts.update(counts)
            return made

        return masked

    def _tallied(self, mask: Mask, value: bytes) -> tuple[bytes, bool, Counter[tuple[str, str]]]:
        counts, wide = self._counts, self.wide
        self._counts, self.wide = Counter(), False
        try:
            return mask(value), self.wide, self._counts
        finally:
            self._counts, self.wide = counts, wide

    def _maker(self, rule: MaskingRule) -> Callable[[bytes], tuple[bytes, bool]]:
        def make(value: bytes) -> tuple[bytes, bool]:
            """The masked value, and whether it is a number that no double holds."""
            first = value[:1]
            if rule.verb is MaskingVerb.DROP or first in _EMPTIED:
                self._masker.taken(value)
                return b"null" if rule.verb is MaskingVerb.DROP else _EMPTIED[first], False
            if first == b'"':
                return self._text(_TEXT.decode(value), rule), False
            made = self._changed(value.decode(), rule).encode()
            return made, not is_double(made.lstrip(b"-"))

        return make

    def _text(self, value: str, rule: MaskingRule) -> bytes:
        if rule.verb is MaskingVerb.PSEUDONYM:
            return bytes(_encode(self._masker.pseudonym(rule.argument, value)))
        if rule.verb is MaskingVerb.GENERALIZE and rule.argument.startswith("first "):
            return bytes(_encode(_beginning(self._masker, value, _first(rule))))
        if rule.verb is MaskingVerb.GENERALIZE and rule.argument in STEPS and is_date(value):
            return bytes(_encode(generalized_date(value, rule.argument)))
        return bytes(_encode(self._masker.redacted(value)))

    def _changed(self, value: str, rule: MaskingRule) -> str:
        if rule.verb is MaskingVerb.PSEUDONYM:
            is_number = self._masker.kind(rule.argument).format == "number"
            if is_number and value.lstrip("-").isdecimal() and len(value) <= LONGEST:
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
