"""The data-integrity report: every store of a version against every other, to single values."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain import schema as schemas
from mediatool_assets.domain.errors import BadArchive, BadModel
from mediatool_assets.domain.integrity import EXAMPLES, OUTCOMES, Integrity, Line, ordered
from mediatool_assets.domain.metadata import Metadata, instant
from mediatool_assets.domain.metrics import HISTORY, Point
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.model_digest import digest
from mediatool_assets.domain.outcome import Figure, worst
from mediatool_assets.domain.resolution import Resolution, resolve
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.schema import Schema
from mediatool_assets.domain.source_identity import SourceIdentity
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import catalog
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.integrity import databases, lines
from mediatool_assets.flows.integrity.evidence import Evidence
from mediatool_assets.flows.integrity.ledger import Ledger, columns_of
from mediatool_assets.flows.integrity.plan import plan
from mediatool_assets.flows.integrity.stores import Archive, ArchiveKind, Round, opened
from mediatool_assets.flows.ports import DocumentStore, ObjectStore, Progress, Target, silent

__all__ = ["EXAMPLES", "WHOLE_BYTES", "integrity"]

WHOLE_BYTES = 8_000_000_000
"""Of raw JSON: up to here every value is compared where nothing else is asked for. A version of
scale 1 has 0.9 GB, of which a minute's work on two cores is made."""


_OF_THE_MODEL = ("values", "losses", "copies", "references", "soft deletes", "indexes")
"""Areas in which documents are held against what the model says of them."""


def integrity(  # noqa: PLR0913, PLR0917  # three stores, a pool, a version, a model, and scratch
    objects: ObjectStore,
    documents: DocumentStore | None,
    target: Target | None,
    executor: Executor,
    version: Version,
    model: Model,
    scratch: Path,
    *,
    clock: Callable[[], datetime],
    sample: float | None = None,
    masking: Masking | None = None,
    progress: Progress = silent,
) -> Integrity:
    """Hold every store of a complete version against every other.

    Every row and document is read, counted, hashed and looked for by its key on the other side. Of
    ``sample`` percent the values are compared too: another share each day of ``clock``, chosen by
    the keys' digests; without it all are, or of more than ``WHOLE_BYTES`` as many as that is.
    Sheets of digests in ``scratch``, which the caller removes, take some 30 bytes a row and side.
    What cannot be read is a line of the report. Values that may not be shown are hidden or, with
    ``masking``, shown as its rules have them. Raises NotFound for a version that is not complete,
    Misuse for a percentage without meaning, Unreachable where the bucket does not answer.
    """
    began = clock()
    metadata = catalog.read(objects, version)
    percent = _percent(sample, metadata)
    share = DailySample(percent, began.date())
    of = Round(objects, executor, version, scratch, share, progress, masking)
    found = list(_lines(of, metadata, documents, target, model))
    outcomes = Counter(line.outcome for line in found)
    earlier = catalog.before(objects, version, HISTORY - 1, SourceIdentity.of(metadata.source))
    seconds = round((clock() - began).total_seconds(), 3)
    return Integrity(
        str(version),
        instant(began),
        seconds,
        worst(line.outcome for line in found),
        None if share.is_whole else percent,
        {outcome: outcomes[outcome] for outcome in OUTCOMES},
        _figures(metadata, found),
        ordered(found),
        tuple(map(Point.of, (*earlier, metadata))),
    )


def _percent(sample: float | None, metadata: Metadata) -> float | None:
    size = metadata.exports.raw.size_mb * 1_000_000
    if sample is not None or size <= WHOLE_BYTES:
        return sample
    return 100 * WHOLE_BYTES / size


def _figures(metadata: Metadata, found: list[Line]) -> dict[str, Figure]:
    """The few numbers that a manager asks for."""
    return {
        "tables": len(metadata.exports.raw.rows),
        "collections": len(metadata.exports.transformed.collections),
        "rows": metadata.exports.raw.record_count,
        "documents": sum(metadata.exports.transformed.documents.values()),
        "orphans": sum(int(line.figures.get("orphans") or 0) for line in found),
        "defects": sum(len(line.defects) for line in found),
    }


def _lines(
    of: Round,
    metadata: Metadata,
    documents: DocumentStore | None,
    target: Target | None,
    model: Model,
) -> Iterator[Line]:
    exports = metadata.exports
    archives: dict[ArchiveKind, Archive] = {
        "raw": opened(of, "raw", exports.raw),
        "transformed": opened(of, "transformed", exports.transformed),
        "dump": opened(of, "dump", exports.dump),
    }
    evidence = _evidence(of, metadata, archives, model)
    yield from _by_model(evidence, model, _of_stores(evidence, documents, target))


def _of_stores(
    evidence: Evidence, documents: DocumentStore | None, target: Target | None
) -> Iterator[Line]:
    """Read every store, then hold them against each other."""
    evidence.read_archives()
    evidence.read_documents(documents)
    evidence.read_postgres(target)
    yield from _stores(evidence)
    yield from lines.counted(evidence)
    with Ledger.opened(evidence.round.scratch, evidence.plan.needs) as ledger:
        _bring(ledger, evidence)
        yield from lines.by_value(evidence, ledger)
        yield from lines.copied(evidence, ledger)
        yield from lines.references(evidence, ledger)
        yield from lines.duplicated(evidence, ledger)
        yield from databases.postgres(evidence, target, ledger)
    yield from lines.lost(evidence)
    yield from lines.soft_deleted(evidence)
    yield from databases.mongodb(evidence, documents)


def _evidence(
    of: Round, metadata: Metadata, archives: dict[ArchiveKind, Archive], model: Model
) -> Evidence:
    """The plan of what is there to be checked; where no model fits, of the tables alone."""
    nothing = Resolution((), {}, ())
    raw = archives["raw"]
    schema, resolution, distrust = Schema("", ()), nothing, ""
    excluded: set[str] = set()
    if raw.reader is not None:
        try:
            schema = _schema(raw.reader)
            excluded = {exclusion.table for exclusion in raw.reader.manifest.exclusions}
            resolution = resolve(model, schema, excluded)
        except BadArchive as error:
            raw.reader, raw.outcome, raw.problem = None, "failed", str(error)
        except BadModel as error:
            distrust = f"the model does not fit the schema: {error}"
    asked = plan(schema, resolution, excluded)
    return Evidence(of, metadata, archives, schema, resolution, asked, distrust)


def _by_model(of: Evidence, model: Model, found: Iterable[Line]) -> Iterator[Line]:
    """What is not as a model says is not known to be wrong where another one made the documents."""
    made_by = _model_of(of.archives["transformed"])
    other = made_by not in (None, digest(model))
    for line in found:
        if other and line.outcome == "failed" and _is_of_the_model(line):
            said = f"another model made the documents (MEDIATOOL_MODEL names it): {line.reason}"
            yield msgspec.structs.replace(line, outcome="unknown", reason=said)
        else:
            yield line


def _is_of_the_model(line: Line) -> bool:
    """Whether documents are held against the model: restored rows know of none."""
    if line.area == "structure":
        return line.thing == "mongodb"
    return line.area in _OF_THE_MODEL and not line.thing.endswith(databases.RESTORED)


def _schema(archive: ArchiveReader) -> Schema:
    try:
        return schemas.decode(archive.read_file("schema.json"))
    except msgspec.MsgspecError as error:
        raise BadArchive(archive.source.name, f"schema.json cannot be read ({error})") from error


def _model_of(transformed: Archive) -> str | int | None:
    return transformed.manifest.source.get("model") if transformed.manifest is not None else None


def _stores(of: Evidence) -> Iterator[Line]:
    """Whether each store could be read at all, and is the one that the metadata speaks of."""
    how = "opened; size and, unless sampled, SHA-256 held against the metadata"
    for kind, archive in of.archives.items():
        yield Line("stores", kind, f"the {kind} archive", how, archive.outcome, archive.problem)
    if of.distrust:
        said = "the model of the documents"
        yield Line("stores", "model", said, "held against the schema", "unknown", of.distrust)
    outcome, problem = of.mongodb
    yield Line("stores", "mongodb", "the live database", "its marker read", outcome, problem)
    if of.restoration is not None or of.postgres[1]:
        outcome, problem = of.postgres
        yield Line(
            "stores", "postgres", "the restored database", "its marker read", outcome, problem
        )


def _bring(ledger: Ledger, of: Evidence) -> None:
    """Make all sheets known to the ledger."""
    for table, need in of.plan.needs.items():
        files = [path for name, path in of.raw[table].files] if table in of.raw else []
        ledger.bring(f"raw:{table}", files, columns_of(need))
        found = [path for name, path in of.live.files if name == table]
        ledger.bring(f"docs:{table}", found, databases.ROW_COLUMNS)
    for copy in of.plan.copies:
        found = [path for name, path in of.live.copies if name == copy.slot]
        columns = "NULL::UBIGINT AS k0, NULL::UBIGINT AS k1, NULL::VARCHAR AS v"
        ledger.bring(f"copies:{copy.slot}", found, columns)
