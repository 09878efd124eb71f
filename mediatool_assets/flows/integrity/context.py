"""The context of all lines of a report: the stores as they were read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import TypeVar

from mediatool_assets.domain.errors import DamagedInput, Refused, Unreachable
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.integrity import Area, Line, RowFinding
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.outcome import Finding
from mediatool_assets.domain.resolution import Resolution
from mediatool_assets.domain.schema import Schema, Table
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.integrity.plan import ReportPlan
from mediatool_assets.flows.integrity.readers import DocumentShare, ShareResult
from mediatool_assets.flows.verify.stores import (
    ArchiveReading,
    MongoReading,
    PostgresReading,
    Verification,
)
from mediatool_assets.flows.workers.ordered_results import in_order

Work = TypeVar("Work")

_OF_THE_MODEL = ("values", "losses", "copies", "references", "soft deletes", "indexes")
"""Areas in which documents are compared with the model."""

RESTORED = " in PostgreSQL"
"""The suffix of the names of lines about restored tables."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Reads the stores in the executor's workers; their files of digests go to ``scratch``."""

    run: Verification
    scratch: Path
    numbers: Iterator[int] = field(default_factory=count)

    def path(self) -> Path:
        """A new file name in the scratch folder."""
        return self.scratch / f"{next(self.numbers):06}"

    def read(
        self,
        step: str,
        work: Callable[[Work], ShareResult],
        shares: Sequence[tuple[str, int, Work]],
    ) -> dict[str, ShareResult]:
        """Read all shares, and sum them up by thing; the arguments are ``(thing, rows, share)``."""
        found: dict[str, ShareResult] = {}
        done, total = 0, sum(rows for _, rows, _ in shares)
        with in_order(self.run.executor, work, [share for _, _, share in shares]) as results:
            for (thing, rows, _), read in zip(shares, results, strict=True):
                found.setdefault(thing, ShareResult()).add(read)
                done += rows
                self.run.progress(step, done, total)
        return found


@dataclass(slots=True)
class ReadArchive:
    """An archive, with the results of reading its tables or collections, and any ``schema``."""

    store: ArchiveReading
    read: dict[str, ShareResult] = field(default_factory=dict)
    schema: Schema = field(default_factory=lambda: Schema("", ()))

    @property
    def members(self) -> dict[str, Member]:
        """The files of its tables and collections; none if the archive cannot be read."""
        manifest = self.store.manifest
        return manifest.tables() | manifest.collections() if manifest is not None else {}

    def tables(self) -> Iterable[Table]:
        """The tables with rows in the archive, by name."""
        return [table for table in self.schema.tables if table.name in self.members]

    def of(self, name: str) -> ShareResult:
        """The result of reading a table or collection."""
        return self.read.get(name, ShareResult())

    def problem(self, *names: str) -> str:
        """Why the content of one of these is unknown; empty if all are known."""
        if self.store.reader is None:
            return self.store.problem
        return next((p for name in names if (p := self.of(name).problem)), "")


@dataclass(slots=True)
class ReadDocuments:
    """The documents that are compared with the raw rows, each of them read.

    They are those of the MongoDB database; of the transformed archive if the version has no
    database. ``all`` is what they held together.
    """

    store: MongoReading | ArchiveReading
    read: dict[str, ShareResult] = field(default_factory=dict)
    shares: list[tuple[str, int, DocumentShare]] = field(default_factory=list)
    all: ShareResult = field(default_factory=ShareResult)

    @property
    def where(self) -> str:
        """Where the documents are, for people."""
        return "MongoDB" if self.store.part == "mongodb" else "the transformed archive"


@dataclass(slots=True)
class RestoredRows:
    """The restored PostgreSQL database; ``read`` is None if it was not read."""

    store: PostgresReading
    schema: Schema | None = None
    read: dict[str, Fingerprint] | None = None


@dataclass(frozen=True, slots=True)
class ReportContext:
    """The stores of a version, and the plan of what to check.

    ``dump`` and ``mongodb`` are None if the version has no MongoDB database. ``model_problem`` says
    why the model does not explain the documents, if it does not.
    ``is_other_model`` is true if another model than the given one made them.
    """

    workers: Workers
    masking: Masking | None
    resolution: Resolution
    plan: ReportPlan
    model_problem: str
    is_other_model: bool
    raw: ReadArchive
    transformed: ReadArchive
    dump: ReadArchive | None
    mongodb: MongoReading | None
    documents: ReadDocuments
    restored: RestoredRows | None

    @property
    def run(self) -> Verification:
        """What is read, and by which workers."""
        return self.workers.run

    def problem(self, *tables: str) -> str:
        """Why rows of these tables and their documents cannot be compared; empty if they can."""
        return self.raw.problem(*tables) or self.documents.store.problem or self.model_problem

    def line(  # noqa: PLR0913  # the fields of a line, and how it is judged
        self,
        area: Area,
        thing: str,
        checked: str,
        how: str,
        judge: Callable[[], Finding],
        *,
        unknown: str = "",
        seconds: float = 0,
    ) -> Line:
        """A line of the report.

        It is unknown if there is a reason ``unknown``, or if ``judge`` cannot read a store. It is
        also unknown if another model made the documents and they do not match this model.
        ``seconds`` is the time already spent on it.
        """
        began = monotonic()
        try:
            finding = Finding("unknown", unknown) if unknown else judge()
        except (DamagedInput, Unreachable, Refused) as error:
            finding = Finding("unknown", str(error))
        outcome, reason = finding.outcome, finding.reason
        if outcome == "failed" and self.is_other_model and _is_of_the_model(area, thing):
            outcome = "unknown"
            reason = f"another model made the documents (MEDIATOOL_MODEL names it): {reason}"
        return Line(
            area,
            thing,
            checked,
            how,
            outcome,
            reason,
            dict(finding.figures),
            round(seconds + monotonic() - began, 3),
            finding.defects if isinstance(finding, RowFinding) else (),
        )


def _is_of_the_model(area: Area, thing: str) -> bool:
    """True if documents are compared with the model in this line; restored rows are not."""
    if area == "structure":
        return thing == "mongodb"
    return area in _OF_THE_MODEL and not thing.endswith(RESTORED)
