"""Statements of PostgreSQL as syntax trees, by PostgreSQL's own parser.

The text of an archive may come from an untrusted source. The parser and the printer recurse in C
and check no stack: both run on a stack that is large enough for the longest accepted statement.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import postgast
from google._upb import _message  # the only place where the limit of 100 levels can be lifted
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from postgast.pg_query_pb2 import Node, ParseResult, RawStmt

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
        for field, _ in found.ListFields():
            if field.name.endswith(("location", "list_start", "list_end")):
                found.ClearField(field.name)
    return copy


def _messages(root: Message) -> Iterator[Message]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _children(node)


def _children(node: Message) -> Iterator[Message]:
    for field, value in node.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
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
