"""The proof: evaluates the evidence of all shares together, out of core.

Searches for originals in the output: in every text, and in texts encoded within texts.
"""

import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from mediatool_assets.sanitize.originals import SCHEMAS, Digester, Filter, write_rows
from mediatool_assets.sanitize.pseudonyms import MAIL_DOMAIN, telephones
from mediatool_assets.sanitize.redaction import SHORTEST_NUMBER, SHORTEST_TERM, decoded, visible
from mediatool_assets.sanitize.rules import ANY, MaskingRule, MaskingVerb, Node
from mediatool_assets.sanitize.rules_file import detector
from mediatool_assets.work.scratch import duckdb_session, literal

MAIL = re.compile(r"[.%+'-]*\w[\w.%+'-]*@[\w-]+(?:\.[\w-]+)+")
NAMES = MaskingRule(MaskingVerb.KEEP)
"""The rule for names of objects, which are kept."""

_NUMBER = 10 ** (SHORTEST_NUMBER - 1)


class Texts(msgspec.Struct, frozen=True, array_like=True):
    """Distinct texts of one place in the output.

    Originals of the kind ``exempt`` may occur there, as in a permutation. ``kept`` texts are
    unmasked. ``names`` are from the schema, which has its own words.
    """

    place: str
    exempt: str
    kept: bool
    texts: list[str]
    names: bool = False


def write_texts(path: Path, found: list[Texts]) -> None:
    """Store the texts until all originals are known."""
    path.write_bytes(zlib.compress(msgspec.msgpack.encode(found), level=1))


def encodable_text(text: str) -> str:
    """A text that UTF-8 can encode: a lone surrogate, allowed in json, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Search:
    """The texts of one share, for one worker."""

    folder: Path
    share: int | str
    digest: Digester
    filter: Path
    detect: str = ""


@dataclass(slots=True)
class Searched:
    """What was searched, and what was found without knowing the originals.

    By place: distinct ``texts``, ``mails`` that masking did not make, possible telephone numbers
    (``phones``), and results of the detector in kept values (``detected``). ``decoded`` counts
    texts within texts by encoding.
    """

    texts: Counter[str] = field(default_factory=Counter)
    mails: Counter[str] = field(default_factory=Counter)
    phones: Counter[str] = field(default_factory=Counter)
    detected: Counter[str] = field(default_factory=Counter)
    decoded: Counter[str] = field(default_factory=Counter)
    words: int = 0

    def __iadd__(self, other: "Searched") -> "Searched":
        """Add the result of another share."""
        self.texts += other.texts
        self.mails += other.mails
        self.phones += other.phones
        self.detected += other.detected
        self.decoded += other.decoded
        self.words += other.words
        return self


@lru_cache(maxsize=1)  # each worker opens the filter once
def _filter(path: Path, seed: int) -> Filter:
    return Filter(path, seed)


def search_share(search: Search) -> Searched:
    """Search a share's texts, and write down the terms that may be an original's.

    Memory: the texts of one share.
    """
    path = search.folder / f"texts-{search.share}"
    every = msgspec.msgpack.decode(zlib.decompress(path.read_bytes()), type=list[Texts])
    path.unlink()
    originals = _filter(search.filter, search.digest.seed)
    before = originals.words
    searched, rows, detect = Searched(), [], detector(search.detect)
    for found in every:
        terms: set[str] = set()
        for text in found.texts:
            if len(text) < SHORTEST_TERM and text.isascii():
                continue  # terms, addresses and encoded texts are longer
            terms.update(originals.terms(text))
            _count(text, found.place, searched)
            if found.kept and not found.names:
                searched.detected.update(f"{found.place}: {what}" for what in set(detect(text)))
            for form, inner in decoded(text):
                searched.decoded[form] += 1
                terms.update(originals.terms(inner))
                _count(inner, found.place, searched)
        searched.texts[found.place] += len(found.texts)
        of = search.digest.text
        rows += [(found.place, found.exempt, found.kept, found.names, of(term)) for term in terms]
    write_rows(search.folder / f"tokens-{search.share}.parquet", "tokens", rows)
    searched.words = originals.words - before
    return searched


def _count(text: str, place: str, searched: Searched) -> None:
    shown = visible(text)
    if "@" in shown and (strange := foreign_addresses(shown)):
        searched.mails[place] += strange
    if len(shown) >= 8 and (numbers := sum(1 for _ in telephones(shown))):
        searched.phones[place] += numbers


def foreign_addresses(text: str) -> int:
    """The number of e-mail addresses that masking did not make."""
    return sum(not mail.endswith(f"@{MAIL_DOMAIN}") for mail in MAIL.findall(text))


Gather = Callable[[object], None]
"""A function that collects every text of a JSON value."""

Places = Callable[[str, MaskingRule], set[str]]
"""The distinct texts of each place: a path, and the rule that masks it."""


def gatherer(texts: set[str]) -> Gather:
    """Collect every text in a JSON value, including names of objects and long whole numbers."""
    add = texts.add

    def gather(value: object) -> None:
        kind = type(value)
        if kind is str:
            add(value)  # type: ignore[arg-type]  # its type was tested
        elif kind is int:
            if not -_NUMBER < value < _NUMBER:
                add(str(value))
        elif isinstance(value, list):
            for part in value:
                gather(part)
        elif isinstance(value, dict):
            texts.update(value)
            for part in value.values():
                gather(part)

    return gather


def document_gatherer(tree: Node, otherwise: MaskingRule, places: Places) -> Gather:
    """The same for documents: each text is collected under the rule of its place."""
    if tree.rule is not None:
        return gatherer(places(tree.path, tree.rule))
    rest = gatherer(places("otherwise", otherwise))
    own = places(tree.path, NAMES)
    names = {name: document_gatherer(node, otherwise, places) for name, node in tree.names.items()}
    every_name = names.get(ANY, rest)
    items = None if tree.items is None else document_gatherer(tree.items, otherwise, places)

    def gather(value: object) -> None:
        if names and isinstance(value, dict):
            own.update(value)
            for name, part in value.items():
                names.get(name, every_name)(part)
        elif items is not None and isinstance(value, list):
            for part in value:
                items(part)
        else:
            rest(value)

    return gather


_INHERITED = ("schema.sql", "manifest.json")
"""Places other than the rows."""


class KindCounts(msgspec.Struct, frozen=True):
    """Distinct originals of a kind and distinct pseudonyms; the numbers have to be equal.

    ``unchanged`` counts originals, of those long enough to be searched for, that are their own
    pseudonyms. In a permutation that happens by chance, but not for one in a hundred of
    ``searched``, nor for any with ten digits or more (``unchanged_long``).
    """

    kind: str
    before: int
    after: int
    pairs: int
    searched: int
    unchanged: int
    unchanged_long: int = 0

    @property
    def holds(self) -> bool:
        """True if each original has its own pseudonym."""
        return self.before == self.after == self.pairs


class Unique(msgspec.Struct, frozen=True):
    """Distinct values of a key before and after."""

    key: str
    rows: int
    before: int
    after: int


class OrphanCounts(msgspec.Struct, frozen=True):
    """Values that reference nothing, before and after."""

    reference: str
    values: int
    orphans_before: int
    orphans_after: int


class Group(msgspec.Struct, frozen=True):
    """Groups of rows with equal quasi-identifiers: k-anonymity.

    ``smallest`` is the size of the smallest group, the copy's k. ``declared`` is the k that the
    rules require, or None.
    """

    columns: str
    groups: int
    smallest: int
    rows_alone: int
    declared: int | None = None


class Leak(msgspec.Struct, frozen=True):
    """Originals of a kind that occur at a place in the output."""

    place: str
    kind: str
    values: int


class Proof(msgspec.Struct, frozen=True):
    """All results of the proof; ``searched`` originals were searched for in ``tokens`` words.

    ``places`` is the number of distinct texts by place, ``decoded`` that of texts within texts by
    encoding. ``phones``, ``names`` and ``detected`` are counts by place in unmasked values, and not
    findings: possible telephone numbers, parts of people's names such as a last name alone, and
    results of the detector. A person has to judge them.
    """

    kinds: tuple[KindCounts, ...]
    keys: tuple[Unique, ...]
    references: tuple[OrphanCounts, ...]
    groups: tuple[Group, ...]
    leaks: tuple[Leak, ...]
    searched: int
    tokens: int
    mails: dict[str, int]
    phones: dict[str, int]
    names: dict[str, int]
    places: dict[str, int] = {}  # msgspec copies the default
    decoded: dict[str, int] = {}
    detected: dict[str, int] = {}

    @property
    def findings(self) -> tuple[str, ...]:
        """The reasons not to publish the copy, one line each, without any value."""
        return (
            *(
                f"{leak.place} still holds {leak.values} original values of {leak.kind}; "
                f"{_advice(leak.place)}"
                for leak in self.leaks
            ),
            *(
                f"{place} holds {count} e-mail addresses that masking did not make; "
                f"{_advice(place)}"
                for place, count in sorted(self.mails.items())
            ),
            *(
                f"{kind.kind}: {kind.before} distinct values became {kind.after}; use another "
                "MEDIATOOL_MASKING_KEY or another format"
                for kind in self.kinds
                if not kind.holds
            ),
            *(
                f"{kind.kind}: {kind.unchanged} of {kind.searched} values are unchanged; "
                "use another format"
                for kind in self.kinds
                if kind.unchanged_long or kind.unchanged * 100 > kind.searched
            ),
            *(
                f"{key.key}: {key.before} distinct values became {key.after}; "
                "give its columns another rule"
                for key in self.keys
                if key.before != key.after
            ),
            *(
                f"{found.reference}: {found.orphans_before} values referenced nothing, now "
                f"{found.orphans_after}; give both ends the same rule"
                for found in self.references
                if found.orphans_before != found.orphans_after
            ),
            *(
                f"{group.columns}: the smallest group has {group.smallest} rows, and k is "
                f"{group.declared}; generalize or redact one of them"
                for group in self.groups
                if group.smallest < (group.declared or 0)
            ),
        )


def _advice(place: str) -> str:
    if place in _INHERITED:
        return "remove them from the source, and export it again"
    return "give it another rule"


_KINDS = """
    WITH pairs AS (
        SELECT DISTINCT kind, before, after, is_searched, is_long
        FROM {values} WHERE after IS NOT NULL
    )
    SELECT kind, count(DISTINCT before), count(DISTINCT after), count(*),
           count(*) FILTER (is_searched), count(*) FILTER (is_searched AND before = after),
           count(*) FILTER (is_long AND before = after)
    FROM pairs GROUP BY kind ORDER BY kind
"""
_KEYS = """
    SELECT name, count(*), count(DISTINCT before), count(DISTINCT after)
    FROM {keys} WHERE side = 'key' GROUP BY name ORDER BY name
"""
_REFERENCES = """
    WITH f AS (SELECT name, before, after FROM {keys} WHERE side = 'from'),
         b AS (SELECT DISTINCT name, before FROM {keys} WHERE side = 'to'),
         a AS (SELECT DISTINCT name, after FROM {keys} WHERE side = 'to')
    SELECT f.name, count(*), count(*) FILTER (b.before IS NULL), count(*) FILTER (a.after IS NULL)
    FROM f LEFT JOIN b ON f.name = b.name AND f.before = b.before
           LEFT JOIN a ON f.name = a.name AND f.after = a.after
    GROUP BY f.name ORDER BY f.name
"""
_GROUPS = """
    WITH g AS (SELECT name, after, count(*) AS rows FROM {keys} WHERE side = 'group'
               GROUP BY name, after)
    SELECT name, count(*), min(rows), count(*) FILTER (rows = 1) FROM g GROUP BY name ORDER BY name
"""
_LEAKS = """
    WITH o AS (SELECT DISTINCT kind, before, is_word, search FROM {terms}),
         t AS (SELECT DISTINCT place, exempt, is_name, token FROM {tokens})
    SELECT t.place, o.kind, count(DISTINCT o.before)
    FROM t JOIN o ON t.token = o.search
    WHERE t.exempt <> o.kind AND NOT (t.is_name AND o.is_word)
    GROUP BY t.place, o.kind ORDER BY t.place, o.kind
"""
_NAMES = """
    SELECT place, count(DISTINCT token) FROM {tokens} AS t
    WHERE t.kept AND t.token IN (SELECT search FROM {names})
    GROUP BY place ORDER BY place
"""
_SEARCHED = "SELECT count(DISTINCT before) FROM {values} WHERE is_searched"


def prove(folder: Path, searched: Searched, smallest: Mapping[str, int]) -> Proof:
    """Count what the shares have written to ``folder``; uses the memory of one DuckDB session.

    ``smallest`` is the declared k by the group's name.
    """
    files = {name: f"read_parquet({literal(f'{folder}/{name}-*.parquet')})" for name in SCHEMAS}
    with duckdb_session(folder, threads=1) as connection:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query.format(**files)).fetchall()

        return Proof(
            tuple(KindCounts(*row) for row in ask(_KINDS)),
            tuple(Unique(*row) for row in ask(_KEYS)),
            tuple(OrphanCounts(*row) for row in ask(_REFERENCES)),
            tuple(
                Group(columns, groups, least, alone, smallest.get(columns))
                for columns, groups, least, alone in ask(_GROUPS)
            ),
            tuple(Leak(*row) for row in ask(_LEAKS)),
            ask(_SEARCHED)[0][0],
            searched.words,
            dict(searched.mails),
            dict(searched.phones),
            dict(ask(_NAMES)),
            dict(sorted(searched.texts.items())),
            dict(sorted(searched.decoded.items())),
            dict(sorted(searched.detected.items())),
        )
