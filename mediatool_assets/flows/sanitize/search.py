"""What a search for original values looks at: texts, and the words, ids and addresses in them."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from mediatool_assets.domain.masking.json_paths import ANY, Node
from mediatool_assets.domain.masking.pseudonyms import MAIL_DOMAIN
from mediatool_assets.domain.masking.rules import Rule, Verb

SHORTEST, SHORTEST_NUMBER = 6, 8
"""Characters from which on an original is searched for: shorter ones stand anywhere by chance."""

MAIL = re.compile(r"[.%+'-]*\w[\w.%+'-]*@[\w-]+(?:\.[\w-]+)+")
PHONE = re.compile(r"(?<![\w.,-])(?:\+\d{1,3}[ .-])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w.,-])")
_WORD = re.compile(r"[\w@.+%'-]*\w")
NAMES = Rule(Verb.KEEP)
"""The rule of the names of objects, which stay as they are."""

_NUMBER = 10 ** (SHORTEST_NUMBER - 1)


def searchable(text: str) -> str | None:
    """The form in which a text is looked for, whatever its case; None where it says too little."""
    text = text.strip().lstrip("\\").casefold()
    unsigned = text.removeprefix("-")
    if unsigned.replace(".", "", 1).isdecimal():
        return unsigned if len(unsigned) >= SHORTEST_NUMBER else None
    if len(text) < SHORTEST:
        return None
    return text if any(map(str.isalnum, text)) else None


def tokens(text: str) -> Iterator[str]:
    """All of a text, its addresses, its words, and every two, three and four words together."""
    words = _WORD.findall(text)
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    triples = [f"{a} {b}" for a, b in zip(pairs, words[2:], strict=False)]
    fours = [f"{a} {b}" for a, b in zip(triples, words[3:], strict=False)]
    parts: Iterable[str] = (part for word in words for part in re.split(r"[.'%+]", word))
    for found in (text, *MAIL.findall(text), *words, *parts, *pairs, *triples, *fours):
        if (token := searchable(found)) is not None:
            yield token


def strangers(text: str) -> int:
    """How many e-mail addresses there are that masking did not make."""
    return sum(not mail.endswith(f"@{MAIL_DOMAIN}") for mail in MAIL.findall(text))


Found = dict[tuple[str, int], set[str]]
"""Different texts by place: a path, and the ``id`` of the rule that masks what is there."""


def gather(value: object, path: str, rule: Rule, found: Found) -> None:
    """Every text in a JSON value, names of objects and long whole numbers among them."""
    kind = type(value)
    if kind is str:
        found[path, id(rule)].add(value)  # type: ignore[arg-type]  # its type was looked at
    elif kind is int:
        if abs(value) >= _NUMBER:  # type: ignore[arg-type]  # as above
            found[path, id(rule)].add(str(value))
    elif isinstance(value, list):
        for part in value:
            gather(part, path, rule, found)
    elif isinstance(value, dict):
        found[path, id(rule)].update(value)
        for part in value.values():
            gather(part, path, rule, found)


def gather_document(value: object, tree: Node | None, otherwise: Rule, found: Found) -> None:
    """Every text in a document, by the rule of its place."""
    if tree is None:
        gather(value, "otherwise", otherwise, found)
    elif tree.rule is not None:
        gather(value, tree.path, tree.rule, found)
    elif tree.names and isinstance(value, dict):
        found[tree.path, id(NAMES)].update(value)
        for name, part in value.items():
            gather_document(part, tree.names.get(name) or tree.names.get(ANY), otherwise, found)
    elif tree.items is not None and isinstance(value, list):
        for part in value:
            gather_document(part, tree.items, otherwise, found)
    else:
        gather(value, "otherwise", otherwise, found)
