"""The global options of a command line: how much to print, and in which form."""

import inspect
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

    def reset(self, *, json: bool) -> None:
        """Reset the options for a new command line."""
        self.debug = self.quiet = self.verbose = False
        self.json = json

    def ask(self, *, quiet: bool, verbose: bool, debug: bool) -> None:
        """Set the options that were given, before or after the command."""
        self.quiet |= quiet
        self.verbose |= verbose
        self.debug |= debug


SESSION = Session()

_OPTIONS = {
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", hidden=True)],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", hidden=True)],
    "debug": Annotated[bool, typer.Option("--debug", hidden=True)],
}


def everywhere(app: typer.Typer) -> None:
    """Let every command of ``app`` accept the global options; ``--help`` does not list them."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_options(command.callback)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(**arguments: Any) -> None:
        SESSION.ask(**{name: arguments.pop(name) for name in _OPTIONS})
        command(**arguments)

    own = inspect.signature(command, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=option)
        for name, option in _OPTIONS.items()
    ]
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]  # PEP 362
    run.__annotations__ = {**command.__annotations__, **_OPTIONS}
    return run
