"""What a search for original values looks at: texts, and the words, ids and addresses in them."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

import msgspec

from mediatool_assets.domain.masking.json_paths import ANY, Node
from mediatool_assets.domain.masking.pseudonyms import MAIL_DOMAIN
from mediatool_assets.domain.masking.rules import REDACT, Rule, Verb

SHORTEST, SHORTEST_NUMBER = 6, 8
"""Characters from which on an original is searched for: shorter ones stand anywhere by chance."""

MAIL = re.compile(r"[\w.%+'-]+@[\w-]+(?:\.[\w-]+)+")
PHONE = re.compile(r"(?<![\w.,-])(?:\+\d{1,3}[ .-])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w.,-])")
_WORD = re.compile(r"[\w@.+%'-]*\w")
_JSON = msgspec.json.Decoder()
_NAME = Rule(Verb.KEEP)  # names of objects stay as they are
_NUMBER = 10 ** (SHORTEST_NUMBER - 1)


def searchable(text: str) -> str | None:
    """The form in which a text is searched for, whatever its case; None where it is too short."""
    text = text.strip().casefold()
    return text if len(text) >= (SHORTEST_NUMBER if text.isdecimal() else SHORTEST) else None


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


def texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, names of objects and long whole numbers among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif type(value) is int and abs(value) >= _NUMBER:
        yield str(abs(value))


def document_texts(
    value: object, tree: Node | None, otherwise: Rule | None
) -> Iterator[tuple[str, Rule, str]]:
    """``(path, rule, text)`` for every text in a document: the rule is that of its place."""
    if tree is not None and tree.rule is None:
        if tree.names and isinstance(value, dict):
            for name, part in value.items():
                yield tree.path, _NAME, name
                child = tree.names.get(name) or tree.names.get(ANY)
                yield from document_texts(part, child, otherwise)
            return
        if tree.items is not None and isinstance(value, list):
            for part in value:
                yield from document_texts(part, tree.items, otherwise)
            return
    rule = tree.rule if tree is not None and tree.rule is not None else otherwise or REDACT
    path = tree.path if tree is not None else "otherwise"
    for text in texts(value):
        yield path, rule, text


def parsed(text: str) -> object:
    """The document that a text holds, or the text where it holds none."""
    try:
        return _JSON.decode(text)
    except msgspec.DecodeError:
        return text
