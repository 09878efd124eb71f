"""The search for originals in what came out: every text of it, and what is encoded in texts."""

import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import msgspec

from mediatool_assets.domain.masking.encodings import decoded
from mediatool_assets.domain.masking.json_paths import ANY, Node
from mediatool_assets.domain.masking.pseudonyms import MAIL_DOMAIN
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb
from mediatool_assets.domain.masking.search_terms import SHORTEST_NUMBER, SHORTEST_TERM, visible
from mediatool_assets.domain.masking.telephones import telephones
from mediatool_assets.flows.sanitize.originals import Filter
from mediatool_assets.flows.sanitize.presidio import detector
from mediatool_assets.flows.sanitize.value_digests import Digester, write_rows

MAIL = re.compile(r"[.%+'-]*\w[\w.%+'-]*@[\w-]+(?:\.[\w-]+)+")
NAMES = MaskingRule(MaskingVerb.KEEP)
"""The rule of the names of objects, which stay as they are."""

_NUMBER = 10 ** (SHORTEST_NUMBER - 1)


class Texts(msgspec.Struct, frozen=True, array_like=True):
    """Different texts of one place of the output.

    Of the kind ``exempt`` originals may be there, as a permutation's are; ``kept`` ones came out as
    they were; those that are ``names`` are the schema's, which has words of its own.
    """

    place: str
    exempt: str
    kept: bool
    texts: list[str]
    names: bool = False


def write_texts(path: Path, found: list[Texts]) -> None:
    """Put the texts aside until all originals are known."""
    path.write_bytes(zlib.compress(msgspec.msgpack.encode(found), level=1))


def plain(text: str) -> str:
    """A text that UTF-8 can hold: half a character, as json may have, is a question mark."""
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
    """What was searched, and found without knowing the originals.

    By place: different ``texts``, the ``mails`` that masking did not make, and what looks like a
    telephone number (``phones``), or like what a detector names (``detected``, of what was kept).
    ``decoded`` holds texts within texts by their form.
    """

    texts: Counter[str] = field(default_factory=Counter)
    mails: Counter[str] = field(default_factory=Counter)
    phones: Counter[str] = field(default_factory=Counter)
    detected: Counter[str] = field(default_factory=Counter)
    decoded: Counter[str] = field(default_factory=Counter)
    words: int = 0

    def __iadd__(self, other: "Searched") -> "Searched":
        """Add what another share had."""
        self.texts += other.texts
        self.mails += other.mails
        self.phones += other.phones
        self.detected += other.detected
        self.decoded += other.decoded
        self.words += other.words
        return self


@lru_cache(maxsize=1)  # a worker opens it once
def _filter(path: Path, seed: int) -> Filter:
    return Filter(path, seed)


def search_share(search: Search) -> Searched:
    """Search a share's texts, and write down the terms that may be an original's.

    Memory: the texts of a share.
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
                continue  # no term, address or encoded text is so short
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
    if "@" in shown and (strange := strangers(shown)):
        searched.mails[place] += strange
    if len(shown) >= 8 and (numbers := sum(1 for _ in telephones(shown))):
        searched.phones[place] += numbers


def strangers(text: str) -> int:
    """How many e-mail addresses there are that masking did not make."""
    return sum(not mail.endswith(f"@{MAIL_DOMAIN}") for mail in MAIL.findall(text))


Gather = Callable[[object], None]
"""What keeps every text of a JSON value."""

Places = Callable[[str, MaskingRule], set[str]]
"""The different texts of a place: a path, and the rule that masks what is there."""


def gatherer(texts: set[str]) -> Gather:
    """Keep every text in a JSON value, names of objects and long whole numbers among them."""
    add = texts.add

    def gather(value: object) -> None:
        kind = type(value)
        if kind is str:
            add(value)  # type: ignore[arg-type]  # its type was looked at
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
    """The same of documents: each text by the rule of its place."""
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
