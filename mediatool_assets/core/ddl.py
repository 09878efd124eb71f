"""Statements of PostgreSQL as syntax trees, by PostgreSQL's own parser.

The text of an archive may come from an untrusted source. The parser and the printer recurse in C
and check no stack: both run on a stack that is large enough for the longest accepted statement.

``schema.sql`` as pg_dump writes it, entry by entry.

The comment before every entry names its kind. A string or a function's body may contain the same
lines. Then PostgreSQL's parser finds no end of the statement before such a line, and the line is
treated as part of the statement.

Options in DDL that PostgreSQL does not know, or that only a superuser may give.

Forks and patched servers write options of their own into their DDL (Debian's column option
``pg_attver``). Without these options, the object still has its columns and keys.

Objects that a restore is asked to leave out: ``VIEW totals``, as ``schema.sql`` names them.

The parts of such an object are left out with it: its comments, a table's keys and triggers, a
materialized view's indexes.
"""

import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableSequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
import postgast
from google._upb import _message  # the only place where the limit of 100 levels can be lifted
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from postgast import pg_query_pb2 as pg
from postgast.pg_query_pb2 import Node, ParseResult, RawStmt

from mediatool_assets.core.schema import Schema, Table
from mediatool_assets.core.setting_values import MADE_BY, ROWS_OF_VIEW

_message.SetAllowOversizeProtos(True)  # a chain of 50 operators has 100 levels

MOST_BYTES = 2 << 20
"""The longest text that is parsed; the largest function bodies seen are a tenth of it."""
_MOST_TOKENS = 100_000  # of one text: an enum of 50,000 labels
_STACK_BYTES = 256 << 20  # address space; 3.3 KB a level, and a level takes two tokens or more
_SHORT = 3_000  # bytes that cannot hold too many tokens

_T = TypeVar("_T")


class BadStatement(ValueError):
    """A text that PostgreSQL's parser refuses; ``unterminated`` if a quotation in it has no end.

    ``of`` is the entry with the refused statement, if it is known.
    """

    def __init__(self, message: str, of: str | None = None) -> None:
        super().__init__(message)
        self.of = of
        self.unterminated = message.startswith("unterminated")


def statements(text: str) -> list[str]:
    """The statements of a text as they are written, without the semicolons after them.

    Raises BadStatement.
    """
    source = text.encode()
    found = []
    for raw in _parsed(text).stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(source)
        found.append(source[raw.stmt_location : end].decode().strip())
    return found


def parse(statement: str) -> Node:
    """The tree of one statement; raises BadStatement for none, for several, and for invalid SQL."""
    found = _parsed(statement).stmts
    if len(found) != 1:
        raise BadStatement(f"{len(found)} statements instead of one")
    return found[0].stmt


def deparse(node: Node) -> str:
    """The text of a tree; raises BadStatement if parsing the text would not give the same tree.

    The tree must be a parsed one, whose values may have been replaced in place: the printer ends
    the process if a node lacks a required part.
    """
    tree = ParseResult(version=180_000, stmts=[RawStmt(stmt=node)])
    text = str(_guarded(lambda: postgast.deparse(tree)))
    again = _parsed(text)
    if len(again.stmts) != 1 or placeless(again.stmts[0].stmt) != placeless(node):
        raise BadStatement(f"a {inner(node).DESCRIPTOR.name} cannot be printed faithfully")
    return text


def inner(node: Message) -> Message:
    """The message inside a ``Node``; any other message unchanged."""
    held = node.WhichOneof("node") if isinstance(node, Node) else None
    return getattr(node, held) if held is not None else node


def walk(root: Message) -> Iterator[tuple[Message, Message | None]]:
    """Every node with its parent (None for the root), each before its children.

    ``Node`` and ``List`` wrappers are skipped: the parent of an item of a list is the node that has
    the list. Nodes may be changed while they are visited.
    """
    waiting: list[tuple[Message, Message | None]] = [(inner(root), None)]
    while waiting:
        node, parent = waiting.pop()
        holder = parent if node.DESCRIPTOR.name == "List" else node
        if holder is node:
            yield node, parent
        waiting += [(inner(child), holder) for child in reversed(list(_children(node)))]


def placeless(node: Node) -> Node:
    """A copy without the positions of the nodes in the text."""
    copy = Node()
    copy.CopyFrom(node)
    for found in _messages(copy):
        for each, _ in found.ListFields():
            if each.name.endswith(("location", "list_start", "list_end")):
                found.ClearField(each.name)
    return copy


def _messages(root: Message) -> Iterator[Message]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _children(node)


def _children(node: Message) -> Iterator[Message]:
    for each, value in node.ListFields():
        if each.type == FieldDescriptor.TYPE_MESSAGE:
            yield from [value] if isinstance(value, Message) else value


def _parsed(text: str) -> ParseResult:
    _accept(text)
    return _guarded(lambda: postgast.parse(text))


def _accept(text: str) -> None:
    if "\0" in text:
        raise BadStatement("the text contains a NUL character")
    size = len(text.encode())
    if size > MOST_BYTES:
        raise BadStatement(f"an entry has {size} bytes; at most {MOST_BYTES} are read")
    if size > _SHORT:
        tokens = len(_guarded(lambda: postgast.scan(text)).tokens)
        if tokens > _MOST_TOKENS:
            raise BadStatement(f"an entry has {tokens} tokens; at most {_MOST_TOKENS} are read")


def _guarded(work: Callable[[], _T]) -> _T:
    """Call into the library; raises BadStatement."""
    try:
        return _thread().submit(work).result()
    except postgast.PgQueryError as error:
        raise BadStatement(error.message) from error
    except DecodeError as error:
        raise BadStatement("a statement nests too deeply") from error


@cache
def _thread() -> ThreadPoolExecutor:
    """The one thread of the process that calls the library.

    For every calling thread the library takes one of the process's 1,024 thread-specific keys, and
    never releases it. When none is left, OpenSSL fails, and with it every new connection.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix="postgres-parser")
    before = threading.stack_size(_STACK_BYTES)
    executor.submit(int).result()  # this starts the thread
    threading.stack_size(before)
    return executor


_MARK = re.compile(
    r"""
    ^--\n--\ (?:
      Name:\ (?P<name>[^\n]*);\ Type:\ (?P<kind>[A-Z\ ]+);\ Schema:\ (?P<schema>[^\n]*)
        ;\ Owner:\ [^\n]*
    | PostgreSQL\ database\ dump\ complete
    )\n--\n
    """,
    re.VERBOSE | re.MULTILINE,
)
_MOST_ENTRIES = 250_000  # some 400 bytes each while they are read
_MOST_QUOTED = 100  # headers within one entry's strings


class DumpEntry(NamedTuple):
    """One object as pg_dump writes it: its kind (``FK CONSTRAINT``), its name, its statements.

    The name of a constraint, trigger or rule is its table's name, a space, and its own name.
    ``namespace`` is its PostgreSQL schema, ``-`` if it has none.
    """

    kind: str
    name: str
    statements: tuple[str, ...]
    namespace: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Statement(NamedTuple):
    """One statement, and the entry that it belongs to, as ``VIEW totals``."""

    makes: str
    sql: str


def entries(text: str) -> Iterator[DumpEntry]:
    """Every entry in order, up to pg_dump's last line, without the settings before them.

    What follows that line (the positions of sequences) is also in ``schema.json``. Raises
    BadStatement if the text does not end as pg_dump's does, or an entry is not valid SQL.
    """
    marks = list(islice(_MARK.finditer(text), _MOST_ENTRIES + 1))
    if len(marks) > _MOST_ENTRIES:
        raise BadStatement(f"it has more than {_MOST_ENTRIES} entries")
    at = 0
    while at < len(marks) and marks[at]["kind"] is not None:
        header = marks[at]
        made, at = _statements(text, marks, at)
        yield DumpEntry(header["kind"], header["name"], made, header["schema"])
    if at == len(marks):
        raise BadStatement("it does not end as pg_dump's text does")


def _statements(text: str, marks: list[re.Match[str]], at: int) -> tuple[tuple[str, ...], int]:
    """The statements after a header, and the index of the mark that ends them."""
    header = marks[at]
    for end in range(at + 1, min(at + 1 + _MOST_QUOTED, len(marks))):
        if marks[end].start() - header.end() > MOST_BYTES:
            break
        try:
            return tuple(statements(text[header.end() : marks[end].start()])), end
        except BadStatement as error:
            if not error.unterminated:
                raise BadStatement(f"{header['kind']} {header['name']}: {error}") from error
    raise BadStatement(f"{header['kind']} {header['name']}: it does not end")


_OF_COLUMNS = frozenset({"n_distinct", "n_distinct_inherited"})
_OF_VIEWS = frozenset({"check_option", "security_barrier", "security_invoker"})
_OF_TABLES = frozenset(
    {
        "fillfactor", "log_autovacuum_min_duration", "log_autoanalyze_min_duration",
        "parallel_workers", "toast_tuple_target", "user_catalog_table", "vacuum_index_cleanup",
        "vacuum_max_eager_freeze_failure_rate", "vacuum_truncate",
    }
)  # fmt: skip


def left_out_options(node: Message) -> list[str]:
    """Remove the options that no server accepts from a statement; the reason for each."""
    match node.DESCRIPTOR.name:
        case "CreateStmt":
            return _without(node.options, _is_of_tables)
        case "CreateTableAsStmt":
            return _without(node.into.options, _is_of_tables)
        case "ViewStmt":
            return _without(node.options, lambda option: option.defname in _OF_VIEWS)
        case "CreateFunctionStmt":
            return _without(node.options, _is_for_all, "only a superuser may give the option")
        case "AlterTableStmt":
            return list(_of_commands(node))
    return []


def _of_commands(node: Message) -> Iterator[str]:
    for place in reversed(range(len(node.cmds))):
        command = node.cmds[place].alter_table_cmd
        if command.subtype == pg.AT_ForceRowSecurity:
            yield "row policies are not restored, and forced ones would hide every row"
            del node.cmds[place]
        elif command.subtype == pg.AT_SetOptions:
            options = getattr(command, "def").list.items
            yield from _without(options, lambda option: option.defname in _OF_COLUMNS)
            if not options:
                del node.cmds[place]


def _without(
    options: MutableSequence[Any],
    known: Callable[[Any], bool],
    reason: str = "PostgreSQL does not know the option",
) -> list[str]:
    """Remove the options that are not known."""
    odd = [place for place, option in enumerate(options) if not known(option.def_elem)]
    said = [f"{reason} {options[place].def_elem.defname}" for place in odd]
    for place in reversed(odd):
        del options[place]
    return said


def _is_of_tables(option: Message) -> bool:
    return bool(option.defname in _OF_TABLES or option.defname.startswith("autovacuum_"))


def _is_for_all(option: Message) -> bool:
    return not (option.defname == "leakproof" and option.arg.boolean.boolval)


_RELATIONS = ("TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE")
_OF_RELATIONS = frozenset(
    {"CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "DEFAULT"}
)
_SAME_NAME = {
    "SEQUENCE OWNED BY": "SEQUENCE",
    "INDEX ATTACH": "INDEX",
    "TABLE ATTACH": "TABLE",
    "ROW SECURITY": "TABLE",
    "SHELL TYPE": "TYPE",
}


@dataclass(frozen=True, slots=True)
class Skips:
    """What to leave out, and the reason for each; a kind alone means all objects of that kind."""

    reasons: Mapping[str, str] = field(default_factory=dict)

    def named(self, found: Iterable[DumpEntry]) -> "Skips":
        """The same, with each kind replaced by the names of all its objects."""
        by_kind = {str(e): self.reasons[e.kind] for e in found if e.kind in self.reasons}
        return Skips(by_kind | {n: r for n, r in self.reasons.items() if n not in MADE_BY})

    def reason(self, entry: DumpEntry) -> str | None:
        """Why an entry is left out, by itself or as a part of another; None if it is created."""
        return next((self.reasons[n] for n in _names(entry) if n in self.reasons), None)

    def unfilled(self, schema: Schema) -> dict[str, str]:
        """The materialized views that are created but not filled, and how each was named."""
        names = {f"{ROWS_OF_VIEW} {view}": view for view in schema.views}
        names |= {f"{ROWS_OF_VIEW} {schema.name}.{view}": view for view in schema.views}
        return {names[name]: name for name in self.reasons if name in names}

    def others(self, schema: Schema, skipped: Collection[DumpEntry]) -> Iterator[str]:
        """Messages beside ``skipped``: views that stay empty, and names that match nothing."""
        unfilled = set(self.unfilled(schema).values())
        named = {name for entry in skipped for name in _names(entry)}
        for name, reason in self.reasons.items():
            if name in unfilled:
                yield f"{name}: {reason}"
            elif name not in named:
                yield f"{name}: {reason}, and the version has none"


def _names(entry: DumpEntry) -> Iterator[str]:
    """How an entry can be named: by its own name, and by the objects that it is a part of."""
    for kind, name in _goes_with(entry):
        yield f"{kind} {name}"
        yield f"{kind} {entry.namespace}.{name}"


def _goes_with(entry: DumpEntry) -> Iterator[tuple[str, str]]:
    yield entry.kind, entry.name
    if entry.kind in _SAME_NAME:
        yield _SAME_NAME[entry.kind], entry.name
    if entry.kind in _OF_RELATIONS:
        yield from _on_relation(_before_space(entry.name))
    if entry.kind in ("INDEX", "STATISTICS", "SEQUENCE OWNED BY"):
        yield from _on_relation(_relations_of(entry))
    if entry.kind == "COMMENT":
        yield from _commented(entry.name)


def _commented(name: str) -> Iterator[tuple[str, str]]:
    """The object of a comment: ``VIEW v``, ``COLUMN v.c``, ``TRIGGER t ON v``."""
    kind = max((k for k in MADE_BY if name.startswith(f"{k} ")), key=len, default="")
    rest = name.removeprefix(f"{kind} ")
    yield kind, rest
    if name.startswith("COLUMN "):
        column = name.removeprefix("COLUMN ")
        yield from _on_relation(column[:i] for i, c in enumerate(column) if c == ".")
    part, on, relation = rest.rpartition(" ON ")
    if on and kind in _OF_RELATIONS:
        for each in ("FK CONSTRAINT", "CHECK CONSTRAINT") if kind == "CONSTRAINT" else ():
            yield each, f"{relation} {part}"
        yield kind, f"{relation} {part}"
        yield from _on_relation([relation])


def _on_relation(names: Collection[str] | Iterator[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield from ((kind, name) for kind in _RELATIONS)


def _before_space(name: str) -> Iterator[str]:
    """``t key`` belongs to ``t``; both may have spaces in them."""
    return (name[:i] for i, c in enumerate(name) if c == " ")


def _relations_of(entry: DumpEntry) -> Iterator[str]:
    for text in entry.statements[:1]:
        nodes = [node for node, _ in walk(inner(parse(text)))]
        yield from (str(n.relname) for n in nodes if n.DESCRIPTOR.name == "RangeVar")
        if entry.kind == "SEQUENCE OWNED BY":
            *_, table, _ = (str(n.sval) for n in nodes if n.DESCRIPTOR.name == "String")
            yield table


def schema_without(schema: Schema, skipped: Collection[str]) -> Schema:
    """The schema without these entries, each given as ``KIND name``."""

    def is_made(kind: str, name: str) -> bool:
        return f"{kind} {name}" not in skipped

    return msgspec.structs.replace(
        schema,
        tables=tuple(
            _without_skipped(t, skipped) for t in schema.tables if is_made("TABLE", t.name)
        ),
        enums=tuple(enum for enum in schema.enums if is_made("TYPE", enum.name)),
        sequences=tuple(each for each in schema.sequences if is_made("SEQUENCE", each.name)),
        views=tuple(
            view
            for view in schema.views
            if is_made("VIEW", view) and is_made("MATERIALIZED VIEW", view)
        ),
    )


def _without_skipped(table: Table, skipped: Collection[str]) -> Table:
    def is_made(kind: str, part: str) -> bool:
        return f"{kind} {table.name} {part}" not in skipped

    space = f"{table.namespace}." if table.namespace else ""
    indexes = tuple(
        index
        for index in table.indexes
        if is_made("CONSTRAINT", index.name) and f"INDEX {space}{index.name}" not in skipped
    )
    gone = {index.columns for index in table.indexes if index not in indexes}
    return msgspec.structs.replace(
        table,
        columns=tuple(
            c if is_made("DEFAULT", c.name) else msgspec.structs.replace(c, default=None)
            for c in table.columns
        ),
        primary_key=() if table.primary_key in gone else table.primary_key,
        unique_keys=tuple(key for key in table.unique_keys if key not in gone),
        foreign_keys=tuple(k for k in table.foreign_keys if is_made("FK CONSTRAINT", k.name)),
        indexes=indexes,
    )
