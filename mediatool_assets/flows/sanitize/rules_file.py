"""Reads a rules file, and reports all mistakes together, each with file and line."""

import hashlib
import re
from pathlib import Path

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mediatool_assets.domain.errors import BadRules
from mediatool_assets.domain.masking.pseudonyms import FORMATS, PseudonymKind
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb, Rules
from mediatool_assets.flows.formats.yaml_nodes import NotYaml, nodes
from mediatool_assets.flows.formats.yaml_reader import YamlReader, line_of

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
