"""Statements and trees: PostgreSQL's own reading, bounded, and printed as faithfully."""

import ctypes
import threading

import pytest

from mediatool_assets.core import ddl
from mediatool_assets.core.ddl import BadStatement


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 'é;' ; -- c;\n SELECT 2", ["SELECT 'é;'", "SELECT 2"]),
        ("SELECT $é$;$é$ AS b", ["SELECT $é$;$é$ AS b"]),
        ("SELECT 1 AS €$a$; SELECT 2 AS ٣$a$", ["SELECT 1 AS €$a$", "SELECT 2 AS ٣$a$"]),
        ("; ;", []),
    ],
)
def test_statements_are_cut_where_the_server_cuts_them(text: str, found: list[str]) -> None:
    """Every byte from 0x80 up is a letter to PostgreSQL, digits of other scripts too."""
    assert ddl.statements(text) == found


@pytest.mark.parametrize("text", ["", "SELECT 1; SELECT 2", "SELEC", "SELECT 1 \0", "SELECT 'a"])
def test_one_statement_is_one(text: str) -> None:
    """None, several, half of one, and what C would cut at its NUL are refused."""
    with pytest.raises(BadStatement):
        ddl.parse(text)


@pytest.mark.parametrize(
    "link", ["||a", "::text", " COLLATE c", " JOIN b ON true", " UNION SELECT 1"]
)
@pytest.mark.parametrize("length", [60, 6_000, 400_000])
def test_depth_ends_no_process(link: str, length: int) -> None:
    """What nests is read, or refused: the recursion of C has room for it, in a thread too."""
    text = "SELECT a" + " FROM a" * ("JOIN" in link) + link * length
    ends: list[str] = []

    def read() -> None:
        try:
            ends.append(ddl.inner(ddl.parse(ddl.deparse(ddl.parse(text)))).DESCRIPTOR.name)
        except BadStatement as error:
            ends.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(ends) == 1
    assert length > 60 or ends == ["SelectStmt"]


def test_a_text_has_a_size() -> None:
    """It is counted before it is read."""
    with pytest.raises(BadStatement, match="3000014 bytes; at most 2097152 are read"):
        ddl.parse("SELECT '" + "x" * 3_000_000 + "' AS a")
    with pytest.raises(BadStatement, match="1000002 tokens; at most 100000"):
        ddl.parse("SELECT 1" + ",1" * 500_000)


def test_a_node_has_its_parent() -> None:
    """Lists and wrappers are passed over."""
    parsed = ddl.parse("SELECT 'x'::mood, ARRAY[1, 2] FROM t")
    found = {
        (node.DESCRIPTOR.name, parent.DESCRIPTOR.name if parent is not None else None)
        for node, parent in ddl.walk(parsed)
    }
    assert {("SelectStmt", None), ("A_Const", "TypeCast"), ("A_Const", "A_ArrayExpr")} <= found
    assert not {("List", "A_ArrayExpr"), ("Node", "SelectStmt")} & found


def test_a_changed_tree_is_printed() -> None:
    """As the docstring of the package shows."""
    parsed = ddl.parse("CREATE TABLE t (a text DEFAULT 'Ann O''Hara', CHECK (a <> E'Bob\\n'))")
    for node, _ in ddl.walk(parsed):
        if node.DESCRIPTOR.name == "A_Const" and node.HasField("sval"):
            node.sval.sval = "it's"
    assert ddl.deparse(parsed) == ("CREATE TABLE t (a text DEFAULT 'it''s', CHECK (a <> 'it''s'))")


def test_what_would_be_read_otherwise_is_not_printed() -> None:
    """A tree that no text gives is refused: here a name that the server would cut."""
    parsed = ddl.parse("CREATE TABLE t (a integer)")
    ddl.inner(parsed).relation.relname = "t" * 64
    with pytest.raises(BadStatement, match="a CreateStmt cannot be printed faithfully"):
        ddl.deparse(parsed)


def _free_keys() -> int:
    """How many thread-specific keys the process has left, of its 1,024."""
    library, keys = ctypes.CDLL(None), []
    key = ctypes.c_uint()
    while library.pthread_key_create(ctypes.byref(key), None) == 0:
        keys.append(key.value)
    for taken in keys:
        library.pthread_key_delete(taken)
    return len(keys)


def test_parsing_takes_no_keys_of_the_process() -> None:
    """Whatever thread parses or prints, long or short: with no key left nothing can connect."""
    texts = ["SELECT 1", "SELECT " + "1, " * 2_000 + "1"]

    def work() -> None:
        for text in texts:
            ddl.deparse(ddl.parse(text))

    work()
    before = _free_keys()
    for _ in range(10):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert _free_keys() >= before - 2
