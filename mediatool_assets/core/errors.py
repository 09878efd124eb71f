"""All errors as one tree; each branch has one exit code.

    MediatoolError
    ├── CheckFailed     1   it ran, and a check of it failed or something differs
    ├── Misuse          2   wrong usage or settings
    ├── DamagedInput    3   a source, archive, model or document is damaged or has mistakes
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
        """Pickle evidence and message, so that a worker can send the error to its parent."""
        return _again, (type(self), self.args, self.__dict__)


def _again(
    kind: type[MediatoolError], args: tuple[object, ...], evidence: dict[str, object]
) -> MediatoolError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(evidence)
    return error


class CheckFailed(MediatoolError):
    """Something was done, but its result differs from what it has to be; exit code 1.

    While a version is made, nothing of it is published then. The exit code is also that of a
    complete version whose checks failed, and of a machine without memory or disk space.
    """


class CountMismatch(CheckFailed):
    """Two counts or fingerprints of the same thing differ.

    ``thing`` is the table or collection; ``expected`` and ``found`` are the values compared.
    """

    def __init__(self, thing: str, what: str, expected: object, found: object) -> None:
        self.thing, self.what, self.expected, self.found = thing, what, expected, found
        super().__init__(
            f"{thing}: {what}: expected {expected}, found {found}; "
            "run it again; if it fails again, report this message"
        )


class OutOfResources(CheckFailed):
    """This machine has no memory or disk space left; the input may be correct."""


class Misuse(MediatoolError):
    """The caller's request is invalid."""

    exit_code = 2


class BadSettings(Misuse):
    """One or more settings are missing or wrong; the message names all of them."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class DamagedInput(MediatoolError):
    """The input is damaged or cannot be understood."""

    exit_code = 3


class BadArchive(DamagedInput):
    """An archive was not written by this package, is cut short, or disagrees with its manifest."""

    def __init__(
        self,
        where: str,
        problem: str,
        next_step: str = "fetch it again or take another version",
    ) -> None:
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}; {next_step}")


class NotAuthentic(DamagedInput):
    """A version that no trusted key has signed, or that differs from what was signed."""


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
    """One value of one row cannot be converted as the model says; the version stops."""

    def __init__(self, table: str, key: object, column: str, value: object, problem: str) -> None:
        self.table, self.key, self.column, self.value = table, key, column, value
        super().__init__(
            f"{table} {key}: column {column}: {str(value)[:80]!r} {problem}; "
            "correct the row, or give the column another type in the model"
        )


class BadSource(DamagedInput):
    """The source database cannot be exported: no such schema, no tables, or a locked table."""


class NotFound(DamagedInput):
    """A version, archive, table or collection that was asked for does not exist."""


class UnknownName(NotFound):
    """The caller named a table, collection or copy that a version does not have."""


class NothingOfDay(NotFound):
    """A day has no version, archive or export to work from."""


class Unreachable(MediatoolError):
    """A server does not answer, or refuses the credentials that it was given."""

    exit_code = 4


class RecoveryConflict(Unreachable):
    """A hot standby cancelled a query or session that conflicted with the replay of changes."""

    def __init__(self, where: str, said: str) -> None:
        self.where, self.said = where, said
        super().__init__(
            f"{where}: {said}; on the standby set hot_standby_feedback = on or raise "
            "max_standby_streaming_delay, or name its primary in MEDIATOOL_POSTGRES_PRIMARY_URL "
            "(docs/how-to/standby.md)"
        )


class Full(Unreachable):
    """A server has no room left; its input may be correct."""


class Refused(MediatoolError):
    """Refused because it would do harm; a different request is needed."""

    exit_code = 5


class PastDay(Refused):
    """The live source has today's rows only and cannot be exported for another day."""


class InColdStorage(Refused):
    """An object is in a cold tier. ``ready``: when the copy that was requested is readable."""

    def __init__(
        self, uri: str, problem: str, next_step: str, ready: datetime | None = None
    ) -> None:
        self.uri, self.ready = uri, ready
        super().__init__(f"{uri} {problem}; {next_step}")


class AlreadyExists(Refused):
    """The name is already used, and names are written once."""

    def __init__(
        self, thing: str, next_step: str = "names are written once; use a new version"
    ) -> None:
        self.thing = thing
        super().__init__(f"{thing} already exists; {next_step}")
