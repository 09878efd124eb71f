"""Options in DDL that PostgreSQL does not know, or that only a superuser may give.

Forks and patched servers write options of their own into their DDL (Debian's column option
``pg_attver``). Without these options, the object still has its columns and keys.
"""

from collections.abc import Callable, Iterator, MutableSequence
from typing import Any

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pg

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
