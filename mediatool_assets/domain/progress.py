"""Progress of a run as lines of JSON, for the process that started it."""

import msgspec


class ProgressReport(msgspec.Struct, frozen=True, omit_defaults=True, tag="progress"):
    """``done`` of ``total`` of a step; a total of 0 is unknown."""

    step: str
    done: int = 0
    total: int = 0
    unit: str = "rows"


class RunOutcome(msgspec.Struct, frozen=True, tag="outcome"):
    """How a run ended; ``exit_code`` is the command line's.

    ``failed_checks`` are the failed checks of a run that succeeded: ``asset: check: what it
    found``.
    """

    status: str
    run_id: str | None = None
    version: str | None = None
    error: str | None = None
    exit_code: int = 0
    failed_checks: tuple[str, ...] = ()


Message = ProgressReport | RunOutcome


def message_to_line(message: Message) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"


def message_from_line(line: bytes) -> Message:
    """Read one line; raises msgspec.MsgspecError on anything else."""
    message: Message = msgspec.json.decode(line, type=Message)
    return message
