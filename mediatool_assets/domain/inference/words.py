"""Splits names into words, in the singular, and finds tables that they refer to."""

import re
from collections.abc import Collection, Sequence
from enum import IntEnum
from functools import lru_cache

_PART = re.compile(r"[0-9]+|[^\W\d_]+")
_HUMP = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+")  # XMLFile, userIDs

_KEY_WORDS = frozenset({"id", "uuid", "guid", "key", "code", "no", "nr", "num", "number", "ref"})
"""Last words of names of key columns."""

_SAME_TABLE = frozenset(
    {"parent", "manager", "supervisor", "superior", "boss", "previous", "next", "root", "original"}
    | {"predecessor", "successor", "ancestor", "reply"}
)
"""Words that mean another row of the same table."""

_PAST = ("history", "hist", "archive", "audit", "log", "versions")


class NameMatch(IntEnum):
    """How well a column's name identifies the table that it refers to."""

    NONE = 0
    PARTLY = 1
    FULLY = 2


@lru_cache(maxsize=100_000)
def words(name: str) -> tuple[str, ...]:
    """``lineItem_IDs`` -> ``("line", "item", "id")``: lower case, each singular."""
    parts = _PART.findall(name)
    found = (word for part in parts for word in (_HUMP.findall(part) if _humped(part) else [part]))
    return tuple(singular(word.lower()) for word in found)


def _humped(part: str) -> bool:
    return part.isascii() and part.isalpha()


def singular(word: str) -> str:
    """The singular of an English word, roughly: good enough to compare two names."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


def plural(name: str) -> str:
    """The plural of a name in camelCase, roughly."""
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def is_key_like(name: str) -> bool:
    """Whether a name is that of a key: ``id``, ``owner_user_ids``, ``campaign_number``."""
    found = words(name)
    return bool(found) and found[-1] in _KEY_WORDS


def is_past_of(table: str, other: str) -> bool:
    """Whether, by its name, ``table`` holds earlier states of the rows of ``other``."""
    return any(table.removesuffix(f"_{past}") == other for past in _PAST)


def past_tables(tables: Collection[str]) -> frozenset[str]:
    """Tables that hold earlier states of others, by their names: ``team_history`` of ``teams``.

    Without the other table, the name does not count: it is a log of something else.
    """
    known = set(map(words, tables))
    return frozenset(
        table
        for table in tables
        for past in _PAST
        if table.endswith(f"_{past}") and words(table.removesuffix(f"_{past}")) in known
    )


def name_match(column: str, table: str, target: str, key: str) -> NameMatch:
    """How well the name of ``table.column`` identifies ``target.key``."""
    own, theirs, keys = words(column), words(target), words(key)
    stem = _stem(own)
    if table == target:
        named = bool(_SAME_TABLE.intersection(own)) or _ends(stem, theirs)
        return NameMatch.FULLY if named and own != keys else NameMatch.NONE
    same = own == keys and len(keys) > 1  # campaign_number, in both
    past = is_past_of(table, target)
    fully = (
        (past and (column == key or bool(_SAME_TABLE.intersection(own))))
        or (same and _ends(keys, theirs, anywhere=True))
        or own == theirs + keys
        or stem == theirs
    )
    if fully:
        return NameMatch.FULLY
    partly = same or _ends(stem, theirs, anywhere=True) or _ends(theirs, stem)
    return NameMatch.PARTLY if partly else NameMatch.NONE


def stem_of(column: str) -> str:
    """``channel_id`` -> ``channel``: the name of what the column refers to."""
    return re.sub(r"[_ ]*(?:ids?|uuids?|keys?|codes?|nos?|refs?)$", "", column, flags=re.IGNORECASE)


def _stem(own: Sequence[str]) -> tuple[str, ...]:
    return tuple(own[:-1] if own and own[-1] in _KEY_WORDS else own)


def _ends(one: Sequence[str], with_: Sequence[str], *, anywhere: bool = False) -> bool:
    """Whether the words of ``one`` end with (or contain) those of ``with_``."""
    size = len(with_)
    if anywhere:
        return any(tuple(one[at : at + size]) == tuple(with_) for at in range(len(one)))
    return 0 < size <= len(one) and tuple(one[-size:]) == tuple(with_)
