"""The prompt of ``mediatool sql``: history, completion of tables and columns."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory

from mediatool_assets.cli.output import echo
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.stores.environment import home

if TYPE_CHECKING:
    from mediatool_assets.flows.query.session import QuerySession

_WORDS = ("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "COUNT", "DESCRIBE")
_END = frozenset({"exit", "quit", "\\q"})


def prompt(answer: Callable[[str], None], session: "QuerySession") -> None:
    """Read queries until the end of input; after an error, it is printed and the next one is read.

    Ctrl-C discards the current line, or cancels the running query.
    """
    names = {name for each in session.versions for name in each.sources}
    columns = {
        name for each in session.versions for r in each.sources.values() for name, _ in r.columns
    }
    folder = home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    reader: PromptSession[str] = PromptSession(
        "mediatool> ",
        history=FileHistory(str(folder / "sql-history")),
        completer=WordCompleter(sorted({*names, *columns, *_WORDS}), ignore_case=True),
        complete_while_typing=False,
    )
    echo(f"{len(names)} tables of {_described(session)}; `exit` or Ctrl-D ends", err=True)
    while True:
        try:
            text = reader.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.lower() in _END:
            return
        if not text:
            continue
        try:
            answer(text)
        except MediatoolError as error:
            echo(str(error), err=True)
        except KeyboardInterrupt:
            echo("interrupted", err=True)


def _described(session: "QuerySession") -> str:
    versions = [each.version for each in session.versions]
    return str(versions[0]) if len(versions) == 1 else f"{len(versions)} versions"
