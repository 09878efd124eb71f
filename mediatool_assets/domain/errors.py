"""All errors as one tree; each branch has one exit code.

    MediatoolError
    ├── CheckFailed     1   it ran, and a check of it failed or something differs
    ├── Misuse          2   wrong usage or settings
    ├── DamagedInput    3   a source, archive, model or document that cannot be taken as it is
    ├── Unreachable     4   a server does not answer
    └── Refused         5   refused for safety

A message names the thing and ends with the next step. Foreign errors are translated once, at the
edge of the store that met them, with ``raise ... from``.
"""

from collections.abc import Iterable
from datetime import datetime


class MediatoolError(Exception):
    """The root: any failure that this package explains itself."""

    exit_code = 1

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as it is, to leave a worker: constructors take evidence, not messages."""
        return _again, (type(self), self.args, self.__dict__)


def _again(
    kind: type[MediatoolError], args: tuple[object, ...], evidence: dict[str, object]
) -> MediatoolError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(evidence)
    return error


class CheckFailed(MediatoolError):
    """The work ran, but what it made does not agree with what went in; nothing was published."""


class CountMismatch(CheckFailed):
    """Two counts or fingerprints of one thing differ.

    ``thing`` is the table or collection; ``expected`` and ``found`` are what was compared.
    """

    def __init__(self, thing: str, what: str, expected: object, found: object) -> None:
        self.thing, self.what, self.expected, self.found = thing, what, expected, found
        super().__init__(
            f"{thing}: {what}: expected {expected}, found {found}; the version is not published, "
            "run it again and keep this message if it returns"
        )


class OutOfResources(CheckFailed):
    """This machine has run out of memory or disk: that says nothing about what was read."""


class Misuse(MediatoolError):
    """The caller asked for something that has no meaning."""

    exit_code = 2


class BadSettings(Misuse):
    """One or more settings are missing or wrong; all of them are named at once."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class DamagedInput(MediatoolError):
    """The input is damaged or cannot be understood."""

    exit_code = 3


class BadArchive(DamagedInput):
    """An archive is not one of ours, is cut short, or disagrees with its manifest."""

    def __init__(
        self,
        where: str,
        problem: str,
        next_step: str = "fetch it again or take another version",
    ) -> None:
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}; {next_step}")


class NotAuthentic(DamagedInput):
    """A version that no trusted key has signed, or that is not what was signed."""


class BadModel(DamagedInput):
    """The model has mistakes; ``problems`` holds all of them, each with file and line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BadRules(DamagedInput):
    """The masking rules have mistakes, or do not cover a column; ``problems`` holds all of them."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BadValue(DamagedInput):
    """One value of one row cannot become what the model says; the version stops."""

    def __init__(self, table: str, key: object, column: str, value: object, problem: str) -> None:
        self.table, self.key, self.column, self.value = table, key, column, value
        super().__init__(
            f"{table} {key}: column {column}: {str(value)[:80]!r} {problem}; "
            "correct the row, or give the column another type in the model"
        )


class BadSource(DamagedInput):
    """The source database is not what an export needs: no such schema, no table, a locked table."""


class NotFound(DamagedInput):
    """A version, archive, table or collection that was asked for is not there."""


class UnknownName(NotFound):
    """The caller named a table, collection or copy that a version does not have."""


class NothingOfDay(NotFound):
    """A day has no version, archive or export to work from."""


class Unreachable(MediatoolError):
    """A server does not answer, or refuses the credentials that it was given."""

    exit_code = 4


class RecoveryConflict(Unreachable):
    """A hot standby ended a query or session, since it was in the way of changes to be replayed."""

    def __init__(self, where: str, said: str) -> None:
        self.where, self.said = where, said
        super().__init__(
            f"{where}: {said}; on the standby set hot_standby_feedback = on or raise "
            "max_standby_streaming_delay, or name its primary in MEDIATOOL_POSTGRES_PRIMARY_URL "
            "(docs/how-to/standby.md)"
        )


class Full(Unreachable):
    """A server has no room left; nothing is wrong with what it was given."""


class Refused(MediatoolError):
    """Refused because it would do harm; another request is needed."""

    exit_code = 5


class InColdStorage(Refused):
    """An object lies in a cold tier. ``ready``: by when its copy is there, if one is on its way."""

    def __init__(
        self, uri: str, problem: str, next_step: str, ready: datetime | None = None
    ) -> None:
        self.uri, self.ready = uri, ready
        super().__init__(f"{uri} {problem}; {next_step}")


class AlreadyExists(Refused):
    """The name is taken; names are written once."""

    def __init__(
        self, thing: str, next_step: str = "names are written once; use a new version"
    ) -> None:
        self.thing = thing
        super().__init__(f"{thing} already exists; {next_step}")
