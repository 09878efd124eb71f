"""Suggest: proposes a rules file for any raw archive, with the evidence for every column."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from mediatool_assets.archive.reader import ArchiveReader, Bytes, split_lines
from mediatool_assets.domain.ddl.tree import BadStatement
from mediatool_assets.domain.errors import BadArchive, BadRules
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.masking import checks
from mediatool_assets.domain.masking.ddl import sanitized_ddl
from mediatool_assets.domain.masking.detection import (
    REVIEWED,
    Detector,
    RuleSuggestion,
    Traits,
    nothing,
    seen_in,
    suggested_rules,
)
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.masking.masker import Masker
from mediatool_assets.domain.masking.pseudonyms import PseudonymKind
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb, Rules
from mediatool_assets.domain.schema import Column, Schema, Table
from mediatool_assets.flows.sanitize.source_check import schema_of

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
