"""The proof: evaluates the evidence of all shares together, out of core."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mediatool_assets.flows.sanitize.search import Searched
from mediatool_assets.flows.sanitize.value_digests import SCHEMAS
from mediatool_assets.flows.workers.duckdb_session import duckdb_session, literal

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
