"""The proof: what the evidence of all shares says together, counted out of core."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mediatool_assets.flows.sanitize.search import Searched
from mediatool_assets.flows.sanitize.value_digests import SCHEMAS
from mediatool_assets.flows.workers.duckdb_session import duckdb_session, literal

_INHERITED = ("schema.sql", "manifest.json")
"""Places beside the rows."""


class KindCounts(msgspec.Struct, frozen=True):
    """Different originals of a kind, and their different pseudonyms: they have to be as many.

    ``unchanged`` of those that are long enough to be searched for are their own pseudonyms: in a
    permutation that is chance, and one in a hundred of ``searched`` would not be, nor any of the
    ``unchanged_long``, of ten digits and more.
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
        """Whether each has one of its own."""
        return self.before == self.after == self.pairs


class Unique(msgspec.Struct, frozen=True):
    """Different values of a key before and after."""

    key: str
    rows: int
    before: int
    after: int


class ReferenceCounts(msgspec.Struct, frozen=True):
    """Values that refer to nothing, before and after."""

    reference: str
    values: int
    orphans_before: int
    orphans_after: int


class Group(msgspec.Struct, frozen=True):
    """Rows that their quasi-identifiers do not tell apart, in groups: k-anonymity.

    ``smallest`` is how many rows the smallest group has, the copy's k; ``declared`` the k that the
    rules ask for, None where they ask for none.
    """

    columns: str
    groups: int
    smallest: int
    rows_alone: int
    declared: int | None = None


class Leak(msgspec.Struct, frozen=True):
    """Originals of a kind that stand at a place of the output."""

    place: str
    kind: str
    values: int


class Proof(msgspec.Struct, frozen=True):
    """All that was found; ``searched`` originals were looked for among ``tokens`` words.

    ``places`` holds how many different texts each place has, ``decoded`` the texts within them by
    form. ``phones``, ``names`` and ``detected`` are no findings: what looks like a telephone
    number, parts of the names of people, as a last name alone, and what a detector found, in what
    came out as it was, by place; people judge.
    """

    kinds: tuple[KindCounts, ...]
    keys: tuple[Unique, ...]
    references: tuple[ReferenceCounts, ...]
    groups: tuple[Group, ...]
    leaks: tuple[Leak, ...]
    searched: int
    tokens: int
    mails: dict[str, int]
    phones: dict[str, int]
    names: dict[str, int]
    places: dict[str, int] = {}  # msgspec copies it
    decoded: dict[str, int] = {}
    detected: dict[str, int] = {}

    @property
    def findings(self) -> tuple[str, ...]:
        """What keeps the copy from being published, one line each; no value among it."""
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
                f"{kind.kind}: {kind.before} different values became {kind.after}; take another "
                "MEDIATOOL_MASKING_KEY or another format"
                for kind in self.kinds
                if not kind.holds
            ),
            *(
                f"{kind.kind}: {kind.unchanged} values of {kind.searched} stay as they are; "
                "take another format"
                for kind in self.kinds
                if kind.unchanged_long or kind.unchanged * 100 > kind.searched
            ),
            *(
                f"{key.key}: {key.before} different values became {key.after}; "
                "give its columns another rule"
                for key in self.keys
                if key.before != key.after
            ),
            *(
                f"{found.reference}: {found.orphans_before} values referred to nothing, now "
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
        return "take them out of the source, and export it anew"
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
    """Count what the shares have written into ``folder``; within the memory of a session.

    ``smallest`` is the declared k by a group's name.
    """
    files = {name: f"read_parquet({literal(f'{folder}/{name}-*.parquet')})" for name in SCHEMAS}
    with duckdb_session(folder, threads=1) as connection:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query.format(**files)).fetchall()

        return Proof(
            tuple(KindCounts(*row) for row in ask(_KINDS)),
            tuple(Unique(*row) for row in ask(_KEYS)),
            tuple(ReferenceCounts(*row) for row in ask(_REFERENCES)),
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
