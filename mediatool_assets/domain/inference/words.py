"""Splits names into words, in the singular, and finds tables that they refer to."""

import re
from collections.abc import Collection, Sequence
from enum import IntEnum
from functools import lru_cache

_PART = re.compile(r"[0-9]+|[^\W\d_]+")
_HUMP = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+")  # XMLFile, userIDs

_KEY_WORDS = frozenset({"id", "uuid", "guid", "key", "code", "no", "nr", "num", "number", "ref"})
"""Last words of names that hold keys rather than contents."""

_SAME_TABLE = frozenset(
    {"parent", "manager", "supervisor", "superior", "boss", "previous", "next", "root", "original"}
    | {"predecessor", "successor", "ancestor", "reply"}
)
"""Words for another row of one's own table."""

_PAST = ("history", "hist", "archive", "audit", "log", "versions")


class NameMatch(IntEnum):
    """How far a column's name says which table it points to."""

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
    """The singular of an English word, roughly: both sides of a comparison are treated alike."""
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
    """Whether the name says that it holds keys: ``id``, ``owner_user_ids``, ``campaign_number``."""
    found = words(name)
    return bool(found) and found[-1] in _KEY_WORDS


def is_past_of(table: str, other: str) -> bool:
    """Whether ``table`` holds earlier states of the rows of ``other``, by its name."""
    return any(table.removesuffix(f"_{past}") == other for past in _PAST)


def past_tables(tables: Collection[str]) -> frozenset[str]:
    """Those that hold earlier states of others, by their names: ``team_history`` beside ``teams``.

    Without the other table it is a log of something else, whatever its name ends with.
    """
    known = set(map(words, tables))
    return frozenset(
        table
        for table in tables
        for past in _PAST
        if table.endswith(f"_{past}") and words(table.removesuffix(f"_{past}")) in known
    )


def kinship(column: str, table: str, target: str, key: str) -> NameMatch:
    """How far ``table.column`` names ``target.key``."""
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
    """``channel_id`` -> ``channel``: what the column points to, as its name has it."""
    return re.sub(r"[_ ]*(?:ids?|uuids?|keys?|codes?|nos?|refs?)$", "", column, flags=re.IGNORECASE)


def _stem(own: Sequence[str]) -> tuple[str, ...]:
    return tuple(own[:-1] if own and own[-1] in _KEY_WORDS else own)


def _ends(one: Sequence[str], with_: Sequence[str], *, anywhere: bool = False) -> bool:
    """Whether the words of ``one`` end (or go on anywhere) with those of ``with_``."""
    size = len(with_)
    if anywhere:
        return any(tuple(one[at : at + size]) == tuple(with_) for at in range(len(one)))
    return 0 < size <= len(one) and tuple(one[-size:]) == tuple(with_)
