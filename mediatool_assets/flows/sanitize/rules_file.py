"""Reads a rules file, and reports all mistakes together, each with file and line."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mediatool_assets.domain.errors import BadRules
from mediatool_assets.domain.masking.pseudonyms import FORMATS, PseudonymKind
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb, Rules
from mediatool_assets.flows.formats.yaml_nodes import NotYaml, nodes
from mediatool_assets.flows.formats.yaml_reader import is_null, line_of

SHIPPED_RULES = Path(__file__).parents[2] / "models" / "media_tool_masking.yaml"

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
    parts = {name: node for name, _, node in reader.items(root, _TOP)}
    rules = Rules(
        path.name,
        hashlib.sha256(data).hexdigest(),
        reader.kinds(parts.get("kinds")),
        reader.tables(parts.get("tables")),
        reader.columns(parts.get("quasi_identifiers")),
        reader.smallest_groups,
        reader.ddl(parts.get("ddl")),
    )
    if reader.problems:
        raise BadRules(f"{path.name}:{line}: {text}" for line, text in sorted(reader.problems))
    return rules


class _RulesReader:
    """Turns YAML nodes into rules; collects ``(line, problem)`` and continues."""

    def __init__(self) -> None:
        self.problems: set[tuple[int, str]] = set()
        self._kinds: dict[str, PseudonymKind] = {}
        self.smallest_groups: dict[str, int] = {}

    def kinds(self, node: Node | None) -> dict[str, PseudonymKind]:
        """``name: format``, or ``name: {format: ..., prefix: ...}``."""
        for name, line, value in self.items(node):
            parts = {"format": self._text(value)} if isinstance(value, ScalarNode) else {}
            if isinstance(value, MappingNode):
                known = ("format", "prefix")
                parts = {part: self._text(v) for part, _, v in self.items(value, known)}
            kind = PseudonymKind(name, parts.get("format", ""), parts.get("prefix", ""), line)
            if kind.format not in FORMATS:
                self._wrong(line, f"kind {name}: its format is one of {', '.join(FORMATS)}")
            elif kind.prefix and not kind.is_permutation:
                self._wrong(line, f"kind {name}: only the format number has a prefix")
            elif _INTEGER.fullmatch(kind.prefix):
                self._wrong(
                    line, f"kind {name}: its prefix begins integers; write one with a letter"
                )
            else:
                self._kinds[name] = kind
        return self._kinds

    def tables(self, node: Node | None) -> dict[str, dict[str, MaskingRule]]:
        """Columns by table; ``users, users_history`` gives two tables the same rules.

        A name in double quotes is a single table, even if it contains a comma.
        """
        found: dict[str, dict[str, MaskingRule]] = {}
        keys = [key for key, _ in node.value] if isinstance(node, MappingNode) else []
        quoted = {
            str(key.value) for key in keys if isinstance(key, ScalarNode) and key.style == '"'
        }
        for names, line, columns in self.items(node):
            rules = {
                column: rule
                for column, _, value in self.items(columns)
                if (rule := self._rule(column, value, nested=False)) is not None
            }
            for name in [names] if names in quoted else map(str.strip, names.split(",")):
                if name in found:
                    self._wrong(line, f"table {name} is listed twice")
                found[name] = rules
        return found

    def columns(self, node: Node | None) -> dict[str, tuple[str, ...]]:
        """Lists of columns by table, or ``{columns: [...], k: 5}``."""
        found: dict[str, tuple[str, ...]] = {}
        for name, line, value in self.items(node):
            listed = value
            if isinstance(value, MappingNode):
                parts = {part: v for part, _, v in self.items(value, ("columns", "k"))}
                listed = parts.get("columns", value)
                if "k" in parts and (k := self._text(parts["k"])).isdecimal():
                    self.smallest_groups[name] = int(k)
                elif "k" in parts:
                    self._wrong(line, f"{name}: k is the minimum size of a group; write a number")
            if isinstance(listed, SequenceNode):
                found[name] = tuple(self._text(item) for item in listed.value)
            else:
                self._wrong(line, f"{name}: list its columns")
        return found

    def ddl(self, node: Node | None) -> frozenset[str]:
        """``keep: [comments, view totals]``: the parts of the schema that are kept unchanged."""
        found: set[str] = set()
        for _, line, value in self.items(node, ("keep",)):
            if isinstance(value, SequenceNode):
                found |= {self._text(item) for item in value.value}
            else:
                self._wrong(line, "keep: list objects as `view totals`, or comments")
        return frozenset(found)

    def _rule(self, name: str, node: Node, *, nested: bool) -> MaskingRule | None:
        line = line_of(node)
        if isinstance(node, MappingNode) and not nested:
            parts = {part: (at, value) for part, at, value in self.items(node, ("json",))}
            if "json" in parts:
                return self._document(line, parts["json"][1])
        if not isinstance(node, ScalarNode):
            self._wrong(line, f"{name}: write {_FORMS}")
            return None
        match = _SIMPLE.fullmatch(str(node.value).strip())
        if match is None:
            self._wrong(line, f"{name}: {node.value!r} is not a rule; write {_FORMS}")
            return None
        verb, *argument = (group for group in match.groups() if group is not None)
        if verb == MaskingVerb.PSEUDONYM and argument[0] not in self._kinds:
            self._wrong(line, f"{name}: there is no kind {argument[0]} in kinds:")
            return None
        return MaskingRule(MaskingVerb(verb), "".join(argument), line)

    def _document(self, line: int, node: Node) -> MaskingRule:
        rules = {
            path: rule
            for path, _, value in self.items(node)
            if (rule := self._rule(path, value, nested=True)) is not None
        }
        otherwise = rules.pop("otherwise", None)
        return MaskingRule(MaskingVerb.JSON, "", line, tuple(rules.items()), otherwise)

    def items(
        self, node: Node | None, known: tuple[str, ...] | None = None
    ) -> Iterator[tuple[str, int, Node]]:
        """The entries of a mapping in order; a duplicate name is reported as a mistake."""
        if node is None or is_null(node):
            return
        if not isinstance(node, MappingNode):
            self._wrong(line_of(node), "write `name: value` lines")
            return
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value) if isinstance(key, ScalarNode) else ""
            if not name or name in seen:
                self._wrong(line_of(key), f"{name or 'this'} is listed twice, or is not plain text")
            elif known is not None and name not in known:
                self._wrong(line_of(key), f"unknown name {name!r}; choose from {', '.join(known)}")
            else:
                seen.add(name)
                yield name, line_of(key), value

    def _text(self, node: Node) -> str:
        if isinstance(node, ScalarNode) and node.value:
            return str(node.value)
        self._wrong(line_of(node), "write one word or text here")
        return ""

    def _wrong(self, line: int, problem: str) -> bool:
        self.problems.add((line, problem))
        return False
