"""Searches for originals in the output: in every text, and in texts encoded within texts."""

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
