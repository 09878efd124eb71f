"""Evidence: every restore that was carried out leaves a small object that says how it went."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from mediatool_assets.domain import restored
from mediatool_assets.domain.errors import (
    DamagedInput,
    MediatoolError,
    Misuse,
    Refused,
    UnknownName,
)
from mediatool_assets.domain.restored import Evidence, RestoreTo
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.restore import Restored


@dataclass(frozen=True, slots=True)
class Request:
    """A restore that somebody asks for: where to, and ``who`` it is."""

    version: Version
    to: RestoreTo
    database: str
    server: str
    who: str


def recorded(
    objects: ObjectStore,
    request: Request,
    restore: Callable[[], Restored],
    clock: Callable[[], datetime],
) -> Evidence:
    """Carry out a restore and keep its evidence, also if it fails; then its error is raised.

    A wrong setting, a table that the archive does not have, or a refusal leaves no evidence: the
    restore has not begun.
    """
    began = clock()
    try:
        made = restore()
    except (Misuse, Refused, UnknownName):
        raise
    except MediatoolError as error:
        _keep(objects, request, began, _evidence(request, began, clock(), error), error)
        raise
    evidence = _evidence(request, began, clock(), made)
    objects.put(_key(request, began), restored.encode(evidence))
    return evidence


def evidence_of(objects: ObjectStore, version: Version) -> Iterator[Evidence]:
    """Every restore of a version, oldest first; raises DamagedInput for one that is no evidence."""
    for info in objects.list(restored.restores_prefix(version)):
        yield _read(objects, info.key)


def newest_evidence(objects: ObjectStore, version: Version) -> Evidence | None:
    """The last restore of a version that was begun, None where it never was; raises as above."""
    keys = [info.key for info in objects.list(restored.restores_prefix(version))]
    return _read(objects, keys[-1]) if keys else None


def _read(objects: ObjectStore, key: str) -> Evidence:
    data, _ = objects.get(key)
    try:
        return restored.decode(data)
    except msgspec.DecodeError as error:
        raise DamagedInput(
            f"{objects.uri(key)} cannot be read ({error}); restore an earlier copy of it"
        ) from error


def _key(request: Request, began: datetime) -> str:
    return restored.restore_key(request.version, began, request.to)


def _evidence(
    request: Request, began: datetime, ended: datetime, found: Restored | MediatoolError
) -> Evidence:
    """Of what was restored, or of the error that it ended with."""
    made = None if isinstance(found, MediatoolError) else found
    return Evidence(
        str(request.version),
        request.to,
        request.database,
        request.server,
        request.who,
        began.isoformat(timespec="seconds"),
        round((ended - began).total_seconds(), 3),
        "verified" if made else "failed",
        rows=made.rows if made else {},
        part=made.part if made else False,
        reason=None if made else str(found),
        notes=made.notes if made else (),
    )


def _keep(
    objects: ObjectStore,
    request: Request,
    began: datetime,
    evidence: Evidence,
    error: MediatoolError,
) -> None:
    """Put the evidence of a failure; where that fails too, the first error is still the one."""
    try:
        objects.put(_key(request, began), restored.encode(evidence))
    except MediatoolError as second:
        error.add_note(f"and no evidence of it could be kept: {second}")
