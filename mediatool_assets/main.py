"""The ``mediatool`` command: assembles the commands, and turns every error into an exit code.

Exit codes: 0 done; 1 done and something differs or fails its check; 2 wrong usage or settings;
3 bad or damaged input; 4 a server cannot be reached; 5 refused for safety; 70 a defect of this
program; 130 interrupted.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from mediatool_assets import check, configure
from mediatool_assets.alerts import command as alerting
from mediatool_assets.bucket import command as bucket
from mediatool_assets.cli import SESSION, clear_progress_line, echo, everywhere
from mediatool_assets.compare import command as comparing
from mediatool_assets.core.errors import MediatoolError
from mediatool_assets.core.texts import without_passwords
from mediatool_assets.demo import command as benchmark
from mediatool_assets.export import command as runs
from mediatool_assets.infer import command as modelling
from mediatool_assets.integrity import command as checking_integrity
from mediatool_assets.prune import command as pruning
from mediatool_assets.query import command as querying
from mediatool_assets.reports import command as reporting
from mediatool_assets.restore import command as restoring
from mediatool_assets.sanitize import command as sanitizing
from mediatool_assets.verify import command as verifying
from mediatool_assets.versions import command as marking

DEFECT = 70  # EX_SOFTWARE of sysexits.h, which differs from the codes of errors
_INTERRUPTED = 130  # exit code of typer for Ctrl-C, as in shells

app = typer.Typer(
    name="mediatool",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "First steps": (benchmark.demo, benchmark.dev),
    "Your own servers": (configure.init, check.check, configure.settings),
    "Local servers": (benchmark.up, benchmark.down, benchmark.status),
    "Demo data": (benchmark.seed,),
    "Make versions": (runs.export,),
    "Versions": (marking.versions, marking.latest, marking.show, marking.fetch),
    "Promote, keep and delete versions": (
        marking.promote,
        marking.rollback,
        marking.annotate,
        marking.keep,
        marking.unkeep,
        pruning.prune,
    ),
    "Reports and comparisons": (reporting.report, comparing.compare),
    "Queries": (querying.sql, querying.history),
    "Restore and verify": (restoring.restore, verifying.verify, checking_integrity.integrity),
    "Masked copies": (sanitizing.sanitize,),
    "Monitoring": (alerting.alert, alerting.metrics),
    "Costs": (bucket.costs,),
    "Benchmark": (benchmark.bench,),
}
COMMANDS = tuple(command for commands in _PANELS.values() for command in commands)
"""Every command, in the order in which --help lists them; its name is the function's."""

for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(modelling.app, name="model", rich_help_panel="Model")
app.add_typer(bucket.app, name="bucket", rich_help_panel="Bucket")
app.add_typer(configure.app, name="keys", rich_help_panel="Signatures")
for each in (app, modelling.app, bucket.app, configure.app):
    everywhere(each)


class _Warnings(logging.Handler):
    """Prints each warning once, as a line on stderr."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning that was not printed yet."""
        text = without_passwords(record.getMessage())
        if text not in self.said:
            self.said.add(text)
            clear_progress_line()
            echo(f"warning: {text}", err=True)


_warnings = _Warnings()
logging.getLogger("mediatool_assets").addHandler(_warnings)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no notes. Also after a command.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Print a line for each step. Also after a command."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print the traceback of an error. Also after a command.")
    ] = False,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The file of settings. Default: `mediatool.toml`, if it exists.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="NAME",
            help="One of several sources: a section `[sources.NAME]` of the file.",
        ),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """A versioned, verified copy of a PostgreSQL database every day: to S3 and to MongoDB.

    First steps, with real servers started on this machine:

        mediatool demo              # everything, once, in a few minutes
        mediatool versions          # what there is now
        mediatool fetch $(mediatool latest) --kind raw

    Servers of your own; then nothing local is used:

        mediatool init              # asks, and writes mediatool.toml
        mediatool check             # names everything that is missing
        mediatool export
    """
    SESSION.ask(quiet=quiet, verbose=verbose, debug=debug, source=source)
    if config is not None:
        os.environ["MEDIATOOL_CONFIG"] = config  # also for child processes
    if version:
        from importlib.metadata import version as installed  # 20 ms that only this option needs

        echo(installed("mediatool_assets"))
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())  # noqa: TID251  # our own text, in colours


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; errors are a line or two on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    SESSION.reset(json="--json" in (words[: words.index("--")] if "--" in words else words))
    _warnings.said.clear()
    try:
        code = app(words, prog_name="mediatool", standalone_mode=False)
    except TyperException as error:
        message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
        return _fail("Misuse", f"{message}; try `{_path(error)} --help`", 2)
    except MediatoolError as error:
        message = "\n".join([str(error), *getattr(error, "__notes__", ())])
        return _report(error, message, error.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror or error}; free disk space, or name another place"
        return _report(error, message, 2)
    except Exception as error:  # noqa: BLE001  # the one place; a defect must not show a traceback
        message = (
            f"{type(error).__name__}: {error}; a defect: run it again with `mediatool --debug`"
        )
        return _report(error, message, DEFECT)
    if code == _INTERRUPTED:
        return _fail("Interrupted", "interrupted; unfinished work is discarded", code)
    return code if isinstance(code, int) else 0


def _path(error: TyperException) -> str:
    """The command that a usage error is about: ``mediatool export``."""
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "mediatool"


def _report(error: Exception, message: str, code: int) -> int:
    if SESSION.debug:
        echo(without_passwords("".join(traceback.format_exception(error))), err=True)
    return _fail(type(error).__name__, message, code)


def _fail(kind: str, message: str, code: int) -> int:
    """Print on stderr what failed; with ``--json`` as one line of JSON."""
    text = SESSION.advice(without_passwords(message))
    if SESSION.json:
        error = {"error": kind, "message": text, "exit_code": code}
        echo(json.dumps(error, ensure_ascii=False), err=True)
    else:
        echo(f"mediatool: {text}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
