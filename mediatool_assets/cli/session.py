"""The global options of a command line: how much to print, and in which form."""

import inspect
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import typer


@dataclass(slots=True)
class Session:
    """The options that all commands have; a process runs one command line at a time."""

    debug: bool = False
    quiet: bool = False
    verbose: bool = False
    json: bool = False
    source: str | None = None

    def reset(self, *, json: bool) -> None:
        """Reset the options for a new command line."""
        self.debug = self.quiet = self.verbose = False
        self.json, self.source = json, None

    def ask(self, *, quiet: bool, verbose: bool, debug: bool, source: str | None = None) -> None:
        """Set the options that were given, before or after the command."""
        if source is not None:
            os.environ["MEDIATOOL_SOURCE"] = source  # also for child processes
            self.source = source
        self.quiet |= quiet
        self.verbose |= verbose
        self.debug |= debug

    def advice(self, text: str) -> str:
        """The text, with --source in the commands to run, if this one was given it."""
        if self.source is None:
            return text
        named = f"mediatool --source {self.source} "  # no pattern: it may have a backslash
        return re.sub(r"(?:(?<=`)|^)mediatool (?=[a-z])", lambda _: named, text)


SESSION = Session()

_OPTIONS = {
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", hidden=True)],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", hidden=True)],
    "debug": Annotated[bool, typer.Option("--debug", hidden=True)],
    "source": Annotated[str | None, typer.Option("--source", metavar="NAME", hidden=True)],
}


def everywhere(app: typer.Typer) -> None:
    """Let every command of ``app`` accept the global options; ``--help`` does not list them.

    A command with an option of the same name keeps its own.
    """
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_options(command.callback)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    own = inspect.signature(command, eval_str=True)
    options = {name: option for name, option in _OPTIONS.items() if name not in own.parameters}

    @wraps(command)
    def run(**arguments: Any) -> None:
        SESSION.ask(**{name: arguments.pop(name) for name in options})
        command(**arguments)

    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if name == "source" else False,
            annotation=option,
        )
        for name, option in options.items()
    ]
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]  # PEP 362
    run.__annotations__ = {**command.__annotations__, **options}
    return run
