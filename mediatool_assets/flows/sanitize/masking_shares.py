"""In a worker: masks consecutive rows of a table, spools them, reads and searches them again."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.archive.spool import Spooled, spool_rows
from mediatool_assets.domain.errors import BadArchive, BadRules
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Block
from mediatool_assets.domain.masking.columns import column_mask
from mediatool_assets.domain.masking.encodings import readable
from mediatool_assets.domain.masking.json_paths import Mask, Unclassified, path_tree
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.masking.masker import REDACTED, Masker
from mediatool_assets.domain.masking.pseudonyms import PseudonymKind
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb, Rules
from mediatool_assets.domain.masking.texts import parsed
from mediatool_assets.domain.masking.types import ColumnValues, TypeFamily
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.sanitize.search import (
    NAMES,
    Gather,
    Texts,
    document_gatherer,
    encodable_text,
    gatherer,
    write_texts,
)
from mediatool_assets.flows.sanitize.value_digests import Digester, Evidence, Row, Tracked

_ROW = msgspec.json.Decoder(Row)
_VALUES = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class MaskingShare:
    """Consecutive blocks of one table, for one worker."""

    archive: ArchiveReader
    table: Table
    blocks: tuple[Block, ...]
    number: int
    rules: Rules
    key: MaskingKey
    watches: tuple[Tracked, ...]
    folder: Path


@dataclass(slots=True)
class Sanitized:
    """The result of a share. ``read`` is the fingerprint of the input rows.

    ``counts`` holds masked values by column and rule.
    """

    spooled: Spooled
    read: Fingerprint
    counts: Counter[tuple[str, str]]


@lru_cache(maxsize=1)  # a worker reuses its pseudonyms for the next shares
def _masker(key: MaskingKey, kinds: tuple[PseudonymKind, ...]) -> Masker:
    return Masker(key, kinds)


def sanitize_share(share: MaskingShare) -> Sanitized:
    """Mask a share's rows; raises BadRules, BadArchive. Memory: a block and its distinct values."""
    masker = _masker(share.key, tuple(share.rules.kinds.values()))
    masker.begin()
    evidence = Evidence(Digester(share.key.derive("proof")), share.watches)
    work = _Work(share, masker, evidence)
    spooled = spool_rows(share.folder / f"rows-{share.number}", work.rows())
    write_texts(share.folder / f"texts-{share.number}", list(work.texts()))
    evidence.write(share.folder, share.number, masker)
    return Sanitized(spooled, work.read, masker.counts)


class _Work:
    def __init__(self, share: MaskingShare, masker: Masker, evidence: Evidence) -> None:
        self._share, self._evidence = share, evidence
        columns = [
            _ColumnWork(share.table, column, _rule(share, column), masker)
            for column in share.table.columns
        ]
        self._names = [column.name for column in columns]
        self._masked = [column for column in columns if column.is_masked]
        self._searched = [column for column in columns if column.is_searched]
        self.read = Fingerprint()

    def rows(self) -> Iterator[list[bytes]]:
        """The masked rows, one block at a time."""
        for content in self._share.archive.blocks(self._share.blocks):
            lines = split_lines(content)
            self.read += Fingerprint.of(lines)
            try:
                masked = [self._row(line) for line in lines]
                for line in masked:
                    self._gather(line)
            except (
                msgspec.DecodeError, KeyError, ValueError, ArithmeticError, RecursionError,
            ) as error:  # fmt: skip
                raise BadArchive(
                    self._share.archive.source.name,
                    f"a row of {self._share.table.name} does not match schema.json "
                    f"({type(error).__name__})",  # the error's text may contain unmasked values
                ) from None
            yield masked

    def _row(self, line: bytes) -> bytes:
        before = _ROW.decode(line)
        if len(before) != len(self._names):
            raise KeyError(len(before))
        after: Row = {name: before[name] for name in self._names}
        for column in self._masked:
            after[column.name] = msgspec.Raw(column.masked(bytes(before[column.name])))
        self._evidence.watch(before, after)
        return msgspec.json.encode(after)

    def _gather(self, line: bytes) -> None:
        """Parse a masked row again, and collect its texts."""
        values = _VALUES.decode(line)
        for column in self._searched:
            column.gather(values[column.name])

    def texts(self) -> Iterator[Texts]:
        """Every distinct text of the masked rows, by place."""
        for column in self._searched:
            for place, rule, found in column.texts():
                exempt, kept = _exempt(rule, self._share.rules), rule.verb is MaskingVerb.KEEP
                yield Texts(place, exempt, kept, list(map(encodable_text, found)))


def _rule(share: MaskingShare, column: Column) -> MaskingRule:
    rule = share.rules.rule(share.table.name, column.name)
    if rule is None:  # the coordinator checked that there is one
        raise BadRules([f"{share.table.name}.{column.name} is not classified"])
    return rule


def _exempt(rule: MaskingRule, rules: Rules) -> str:
    """The kind whose originals may occur here: in a permutation its own, else plain words."""
    if rule.verb is MaskingVerb.REDACT:
        return REDACTED
    if rule.verb is MaskingVerb.PSEUDONYM and rules.kinds[rule.argument].is_permutation:
        return rule.argument
    return ""


class _ColumnWork:
    """One column: its masking, and the search of its masked values."""

    def __init__(self, table: Table, column: Column, rule: MaskingRule, masker: Masker) -> None:
        self.name = column.name
        self._where = f"{table.name}.{column.name}"
        self._rule = rule
        self._mask: Mask | None = column_mask(masker, rule, self._where, column)
        self._family = ColumnValues.of(column).family
        self._is_document = self._family in (TypeFamily.JSON, TypeFamily.JSONB)
        self._found: dict[tuple[str, int], tuple[MaskingRule, set[str]]] = {}
        self._gather: Gather = (
            document_gatherer(path_tree(rule), rule.otherwise or NAMES, self._place)
            if rule.verb is MaskingVerb.JSON  # only used with ``otherwise``
            else gatherer(self._place("", rule))
        )

    @property
    def is_masked(self) -> bool:
        """True if the rule changes the column's values."""
        return self._mask is not None

    def masked(self, value: bytes) -> bytes:
        """The masked value; raises BadRules if a document has a value that no path covers."""
        assert self._mask is not None  # noqa: S101  # of what is masked alone
        try:
            return self._mask(value)
        except Unclassified as error:
            path = error.path or "a document that is not an object"
            raise BadRules(
                [
                    f"{self._where}: {path} is not classified; under its `json:` write "
                    f"`{path}: keep`, or redact, or `otherwise: redact` for all that is new"
                ]
            ) from None

    @property
    def is_searched(self) -> bool:
        """True if its values may contain an original."""
        return self._family in _SEARCHED

    def gather(self, value: object) -> None:
        """Collect the texts of a masked value."""
        if value is None:
            return
        if self._is_document and isinstance(value, str):
            value = parsed(value)
        elif self._family is TypeFamily.BYTES:
            value = _readable(value)
        self._gather(value)

    def _place(self, path: str, rule: MaskingRule) -> set[str]:
        return self._found.setdefault((path, id(rule)), (rule, set()))[1]

    def texts(self) -> Iterator[tuple[str, MaskingRule, set[str]]]:
        """``(place, rule, texts)`` of everything collected."""
        for (path, _), (rule, found) in self._found.items():
            if found:
                yield f"{self._where} {path}".rstrip(), rule, found


def _readable(value: object) -> object:
    """The text in bytes; equal digits are chance, as for empty files."""
    if isinstance(value, list):
        return [_readable(part) for part in value]
    if isinstance(value, str) and value.startswith("\\x"):
        return readable(bytes.fromhex(value[2:])) or ""
    return value


_SEARCHED = frozenset(
    {
        TypeFamily.TEXT, TypeFamily.UUID, TypeFamily.JSON, TypeFamily.JSONB, TypeFamily.ENUM,
        TypeFamily.OTHER, TypeFamily.BYTES,
    }
)  # fmt: skip
"""Columns of numbers and times are not searched: they are equal by chance."""
