"""Reads a rules file, and reports all mistakes together, each with file and line.

Suggest: proposes a rules file for any raw archive, with the evidence for every column.

Microsoft Presidio's recognizers as a detector, if the extra ``presidio`` is installed.

Numbers with a form or check digits (cards, accounts, identity papers) need no language model and no
network. Names of people need a spaCy model, which the user has to select.

Checks the raw archive to sanitize against its own manifest.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mediatool_assets.archive.reader import ArchiveReader, Bytes, split_lines
from mediatool_assets.core.ddl import BadStatement
from mediatool_assets.core.errors import BadArchive, BadRules, Misuse
from mediatool_assets.core.manifest import Member
from mediatool_assets.core.model_file import NotYaml, YamlReader, line_of, nodes
from mediatool_assets.core.schema import Column, Schema, Table
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.sanitize import rules as checks
from mediatool_assets.sanitize.ddl import sanitized_ddl
from mediatool_assets.sanitize.detection import (
    PERSON,
    REVIEWED,
    Detector,
    RuleSuggestion,
    Traits,
    nothing,
    seen_in,
    suggested_rules,
)
from mediatool_assets.sanitize.pseudonyms import FORMATS, PseudonymKind
from mediatool_assets.sanitize.redaction import Masker
from mediatool_assets.sanitize.rules import MaskingRule, MaskingVerb, Rules

SHIPPED_RULES = Path(__file__).parents[1] / "models" / "media_tool_masking.yaml"

_TOP = ("kinds", "tables", "quasi_identifiers", "ddl")
_SIMPLE = re.compile(
    r"(keep|redact|drop)|(pseudonym) (\S+)|(generalize) (\S+|first [1-9]\d*)|(noise) ([1-9]\d?)"
)
_INTEGER = re.compile(r"-|-?[0-9]+")
"""Prefixes that whole numbers begin with: what follows one could leave the range of its type."""
_FORMS = (
    "keep, redact, drop, pseudonym KIND, generalize STEP, noise PERCENT or json: with its paths"
)


def load_rules(path: Path) -> Rules:
    """Read and check a rules file; raises BadRules with every mistake as ``file:line: ...``."""
    try:
        data, root = nodes(path)
    except NotYaml as error:
        raise BadRules([str(error)]) from error
    reader = _RulesReader()
    rules = reader.rules(root, path.name, hashlib.sha256(data).hexdigest())
    if reader.problems:
        raise BadRules(f"{path.name}:{line}: {text}" for line, text in sorted(reader.problems))
    return rules


class _RulesReader(YamlReader):
    """Turns YAML nodes into rules."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[str, PseudonymKind] = {}
        self._smallest_groups: dict[str, int] = {}

    def rules(self, root: Node | None, source: str, sha256: str) -> Rules:
        """Read the whole file."""
        parts = self.parts(root, _TOP, "the rules")
        return Rules(
            source,
            sha256,
            self._read_kinds(parts.get("kinds")),
            self._tables(parts.get("tables")),
            self._quasi_identifiers(parts.get("quasi_identifiers")),
            self._smallest_groups,
            self._ddl(parts.get("ddl")),
        )

    def _read_kinds(self, node: Node | None) -> dict[str, PseudonymKind]:
        """``name: format``, or ``name: {format: ..., prefix: ...}``."""
        for name, key, value in self.items(node, "kinds"):
            parts = {"format": value}
            if not isinstance(value, ScalarNode):
                parts = self.parts(value, ("format", "prefix"), f"kind {name}")
            texts = {part: self.text(v) for part, v in parts.items()}
            kind = PseudonymKind(
                name, texts.get("format", ""), texts.get("prefix", ""), line_of(key)
            )
            if kind.format not in FORMATS:
                self.wrong(key, f"kind {name}: its format is one of {', '.join(FORMATS)}")
            elif kind.prefix and not kind.is_permutation:
                self.wrong(key, f"kind {name}: only the format number has a prefix")
            elif _INTEGER.fullmatch(kind.prefix):
                self.wrong(key, f"kind {name}: its prefix begins integers; write one with a letter")
            else:
                self._kinds[name] = kind
        return self._kinds

    def _tables(self, node: Node | None) -> dict[str, dict[str, MaskingRule]]:
        """Columns by table; ``users, users_history`` gives two tables the same rules.

        A name in double quotes is a single table, even if it contains a comma.
        """
        found: dict[str, dict[str, MaskingRule]] = {}
        for names, key, columns in self.items(node, "tables"):
            rules = self._by_name(columns, f"table {names}", nested=False)
            for name in [names] if key.style == '"' else map(str.strip, names.split(",")):
                if name in found:
                    self.wrong(key, f"table {name} is listed twice")
                found[name] = rules
        return found

    def _quasi_identifiers(self, node: Node | None) -> dict[str, tuple[str, ...]]:
        """Lists of columns by table, or ``{columns: [...], k: 5}``."""
        found: dict[str, tuple[str, ...]] = {}
        for name, key, value in self.items(node, "quasi_identifiers"):
            listed = value
            if isinstance(value, MappingNode):
                parts = self.parts(value, ("columns", "k"), name)
                listed = parts.get("columns", value)
                if "k" in parts and (k := self.text(parts["k"])).isdecimal():
                    self._smallest_groups[name] = int(k)
                elif "k" in parts:
                    self.wrong(key, f"{name}: k is the minimum size of a group; write a number")
            if isinstance(listed, SequenceNode):
                found[name] = self.words(listed)
            else:
                self.wrong(key, f"{name}: list its columns")
        return found

    def _ddl(self, node: Node | None) -> frozenset[str]:
        """``keep: [comments, view totals]``: the parts of the schema that are kept unchanged."""
        kept = self.parts(node, ("keep",), "ddl").get("keep")
        if kept is None or isinstance(kept, SequenceNode):
            return frozenset(self.words(kept) if kept is not None else ())
        self.wrong(kept, "keep: list objects as `view totals`, or comments")
        return frozenset()

    def _by_name(self, node: Node, what: str, *, nested: bool) -> dict[str, MaskingRule]:
        return {
            name: rule
            for name, _, value in self.items(node, what)
            if (rule := self._rule(name, value, nested=nested)) is not None
        }

    def _rule(self, name: str, node: Node, *, nested: bool) -> MaskingRule | None:
        line = line_of(node)
        if isinstance(node, MappingNode) and not nested:
            parts = self.parts(node, ("json",), name)
            if "json" in parts:
                rules = self._by_name(parts["json"], f"{name}: json", nested=True)
                otherwise = rules.pop("otherwise", None)
                return MaskingRule(MaskingVerb.JSON, "", line, tuple(rules.items()), otherwise)
        if not isinstance(node, ScalarNode):
            self.wrong(node, f"{name}: write {_FORMS}")
            return None
        match = _SIMPLE.fullmatch(str(node.value).strip())
        if match is None:
            self.wrong(node, f"{name}: {node.value!r} is not a rule; write {_FORMS}")
            return None
        verb, *argument = (group for group in match.groups() if group is not None)
        if verb == MaskingVerb.PSEUDONYM and argument[0] not in self._kinds:
            self.wrong(node, f"{name}: there is no kind {argument[0]} in kinds:")
            return None
        return MaskingRule(MaskingVerb(verb), "".join(argument), line)


_RECOGNIZERS = (
    "CreditCardRecognizer", "CryptoRecognizer", "IbanRecognizer", "UsSsnRecognizer",
    "UsItinRecognizer", "UsNpiRecognizer", "UkNinoRecognizer", "NhsRecognizer", "CaSinRecognizer",
    "AuTfnRecognizer", "AuMedicareRecognizer", "DeTaxIdRecognizer", "DeSocialSecurityRecognizer",
    "EsNifRecognizer", "EsNieRecognizer", "ItFiscalCodeRecognizer", "PlPeselRecognizer",
    "FiPersonalIdentityCodeRecognizer", "SePersonnummerRecognizer", "InAadhaarRecognizer",
    "KrRrnRecognizer", "ZaIdNumberRecognizer", "MacAddressRecognizer", "IpRecognizer",
)  # fmt: skip
"""Presidio's recognizers that test a form, nearly all with check digits."""

_CERTAIN = 0.5  # minimum of Presidio's score; a form of few digits alone scores less


@lru_cache(maxsize=4)
def detector(name: str) -> Detector:
    """Return the detector of that name: "", ``presidio``, or ``presidio:MODEL`` with a spaCy model.

    A model is a package's name or a folder. Raises Misuse for another name, and if the extra or the
    model is not installed.
    """
    if not name:
        return nothing
    kind, _, model = name.partition(":")
    if kind != "presidio":
        raise Misuse(f"--detect {name!r} is not known; write presidio, or presidio:MODEL")
    if find_spec("presidio_analyzer") is None:
        raise Misuse(
            "--detect presidio needs Presidio; run `pip install 'mediatool_assets[presidio]'`"
        )
    return _Presidio(model)


class _Presidio:
    def __init__(self, model: str) -> None:
        module = import_module("presidio_analyzer.predefined_recognizers")
        self._recognizers = [getattr(module, name)() for name in _RECOGNIZERS]
        self._model = _model(model) if model else None

    def __call__(self, text: str) -> Iterator[str]:
        """Yield the types of entities that Presidio finds in a text."""
        if any(map(str.isdigit, text)):
            for recognizer in self._recognizers:
                for found in recognizer.analyze(text, recognizer.supported_entities, None):
                    if found.score >= _CERTAIN:
                        yield str(found.entity_type)
        if self._model is not None and any(
            e.label_ in ("PERSON", "PER") for e in self._model(text).ents
        ):
            yield PERSON


def _model(name: str) -> Any:
    try:
        return import_module("spacy").load(name)
    except OSError as error:
        raise Misuse(f"spaCy has no model {name}; try `python -m spacy download {name}`") from error


def schema_of(archive: ArchiveReader) -> Schema:
    """The schema of a raw archive, if it describes its members; raises BadArchive."""
    name, manifest = archive.source.name, archive.manifest
    archive.check_tar()
    if manifest.kind != "raw":
        raise BadArchive(name, f"is a {manifest.kind} archive; name a raw one")
    return archive.schema()


SAMPLE = 1000
"""Number of rows read in each of the first, the middle and the last block of a table."""

_KINDS = {
    "email": "email",
    "person": "person",
    "title": "title",
    "number": "number",
    "token": "token",
    "url": "url",
    "uuid": "uuid",
}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ROW = msgspec.json.Decoder(dict[str, object])

Chosen = dict[tuple[str, str], RuleSuggestion]


@dataclass(frozen=True, slots=True)
class Suggested:
    """Rules as YAML, and the number of columns that need a review."""

    text: str
    columns: int
    review: int


def suggest(source: Bytes, detect: Detector = nothing) -> Suggested:
    """Read some rows of every table, and propose a rule for every column; raises BadArchive.

    ``detect`` examines every text too. Uncertain columns are redacted, or, in a key, made a
    pseudonym or kept, and marked REVIEW. The comments contain shares and counts, and no value.
    Memory: one block.
    """
    archive = ArchiveReader(source)
    schema = schema_of(archive)
    members = archive.manifest.tables()
    rules = Rules("suggested", "", {n: PseudonymKind(n, f) for n, f in _KINDS.items()}, {})
    seen: dict[str, dict[str, Traits]] = {}
    chosen: Chosen = {}
    for table in schema.tables:
        seen[table.name] = seen_in(_rows(archive, table, members.get(table.name)), table, detect)
        for column in table.columns:
            traits = seen[table.name][column.name]
            chosen[table.name, column.name] = _choose(rules, table, column, traits)
    _join(rules, schema, chosen)
    review = sum(not suggestion.certain for suggestion in chosen.values())
    left_out = _left_out(archive, schema, rules, chosen)
    text = "\n".join(_written(archive, schema, chosen, seen, left_out))
    return Suggested(text + "\n", len(chosen), review)


def _rows(
    archive: ArchiveReader, table: Table, member: Member | None
) -> Iterator[dict[str, object]]:
    """Some rows from the beginning, the middle and the end of a table."""
    blocks = member.blocks if member is not None else ()
    for number in sorted({0, len(blocks) // 2, len(blocks) - 1}) if blocks else ():
        for content in archive.blocks([blocks[number]]):
            for line in split_lines(content)[:SAMPLE]:
                try:
                    yield _ROW.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise BadArchive(
                        archive.source.name,
                        f"a row of {table.name} cannot be read ({type(error).__name__})",
                    ) from None


def _choose(rules: Rules, table: Table, column: Column, traits: Traits) -> RuleSuggestion:
    """The first suggestion that is possible for this column."""
    for suggestion in suggested_rules(table, column, traits):
        if not any(checks.problems(rules, table, column, _rule(suggestion))):
            return suggestion
    return REVIEWED  # a type without a mask: the run reports the next step


def _rule(suggestion: RuleSuggestion) -> MaskingRule:
    verb, _, argument = suggestion.rule.partition(" ")
    return MaskingRule(MaskingVerb(verb), argument)


def _join(rules: Rules, schema: Schema, chosen: Chosen) -> None:
    """Give both ends of every declared reference one rule: that of the target."""
    tables = {table.name: table for table in schema.tables}
    for _ in schema.tables:  # at most the length of the longest chain of references
        for table in schema.tables:
            for key in table.foreign_keys:
                for own, other in zip(key.columns, key.target_columns, strict=True):
                    target = chosen.get((key.table, other))
                    if target is None or target.rule == chosen[table.name, own].rule:
                        continue
                    why = f"refers to {key.table}.{other}"
                    chosen[table.name, own] = _fitting(
                        rules,
                        tables[table.name],
                        own,
                        RuleSuggestion(target.rule, why, target.certain),
                    )


def _fitting(rules: Rules, table: Table, name: str, wanted: RuleSuggestion) -> RuleSuggestion:
    if any(checks.problems(rules, table, table.column(name), _rule(wanted))):
        return RuleSuggestion("keep", f"{wanted.why}, whose rule it cannot have", certain=False)
    return wanted


def _written(
    archive: ArchiveReader,
    schema: Schema,
    chosen: Chosen,
    seen: Mapping[str, Mapping[str, Traits]],
    left_out: tuple[str, ...],
) -> Iterator[str]:
    review = sum(not suggestion.certain for suggestion in chosen.values())
    yield f"# Proposed for version {archive.manifest.version} by `mediatool sanitize --suggest`."
    yield f"# {review} of {len(chosen)} columns are marked REVIEW: their content is unknown,"
    yield "# and they are redacted until you decide. Check the others too, then use it as --rules."
    used = {p.rule.partition(" ")[2] for p in chosen.values() if p.rule.startswith("pseudonym")}
    yield "kinds:" if used else "kinds: {}"
    yield from (f"  {name}: {form}" for name, form in _KINDS.items() if name in used)
    yield ""
    yield "ddl:"
    yield "  keep: [] # parts of the schema to keep: comments, or an object as named below"
    if left_out:
        yield "  # REVIEW: these rules leave out the following; list under keep what may be kept."
    yield from (f"  # {_comment(line)}" for line in left_out)
    yield ""
    yield "tables:" if schema.tables else "tables: {}"
    for table in schema.tables:
        yield f"  {_quoted(table.name)}:"
        for column in table.columns:
            proposal = chosen[table.name, column.name]
            mark = "" if proposal.certain else "REVIEW: "
            why = f"{mark}{proposal.why}; {column.type}; {seen[table.name][column.name]}"
            yield f"    {_quoted(column.name)}: {proposal.rule} # {_comment(why)}"


def _left_out(
    archive: ArchiveReader, schema: Schema, rules: Rules, chosen: Chosen
) -> tuple[str, ...]:
    """The parts of the schema that these rules leave out, or why they cannot be used with it."""
    tables: dict[str, dict[str, MaskingRule]] = {table.name: {} for table in schema.tables}
    for (table, column), proposal in chosen.items():
        tables[table][column] = _rule(proposal)
    masker = Masker(MaskingKey(bytes(range(32))), rules.kinds.values())  # its result is discarded
    try:
        sql = archive.read_file("schema.sql").decode()
        return sanitized_ddl(sql, schema, replace(rules, tables=tables), masker).left_out
    except (BadStatement, UnicodeDecodeError) as error:
        raise BadArchive(archive.source.name, f"schema.sql cannot be read: {error}") from error
    except BadRules as error:
        return tuple(str(error).splitlines())


def _quoted(name: str) -> str:
    if _PLAIN.fullmatch(name) and name.lower() not in _YAML_WORDS:
        return name
    return json.dumps(name, ensure_ascii=False)


def _comment(text: str) -> str:
    """The text on one line, whatever the names in it contain."""
    return "".join(c if c.isprintable() else "?" for c in text)
