"""The data-integrity report: compares all stores of a version, down to single values."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from mediatool_assets.domain.integrity import EXAMPLES, OUTCOMES, Integrity, Line, ordered
from mediatool_assets.domain.metadata import Metadata, instant, uncompressed_bytes
from mediatool_assets.domain.metrics import HISTORY, ChartPoint
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.outcome import Figure, Finding, Outcome, worst
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.source_identity import SourceIdentity
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.integrity.agreement_lines import agreement_lines
from mediatool_assets.flows.integrity.context import ReportContext, Workers
from mediatool_assets.flows.integrity.database_lines import mongodb_lines, postgres_lines
from mediatool_assets.flows.integrity.digest_join import DigestJoin
from mediatool_assets.flows.integrity.reference_lines import duplicate_lines, reference_lines
from mediatool_assets.flows.integrity.stores import read_stores
from mediatool_assets.flows.integrity.value_lines import (
    copy_lines,
    loss_lines,
    soft_delete_lines,
    value_lines,
)
from mediatool_assets.flows.ports import (
    Stores,
)
from mediatool_assets.flows.verify.stores import StoreReading, Verification
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.workers.workspace import Workspace

__all__ = ["EXAMPLES", "WHOLE_BYTES", "integrity"]

WHOLE_BYTES = 8_000_000_000
"""Bytes of raw JSON up to which all values are compared by default. A version of scale 1 has 0.9
GB, which takes two cores about a minute."""


def integrity(  # noqa: PLR0913  # what is read, by what it is judged, and how much of it
    stores: Stores,
    workspace: Workspace,
    version: Version,
    model: Model,
    *,
    sample: float | None = None,
    masking: Masking | None = None,
) -> Integrity:
    """Compare every store of a complete version with every other.

    Every row and document is read, counted, hashed and looked up by its key on the other side. For
    ``sample`` percent the values are compared too; the sample is chosen by the keys' digests and
    differs each day. Without ``sample`` all values are compared, up to ``WHOLE_BYTES``. The digest
    files in the scratch folder, which the caller removes, take some 30 bytes per row and side.

    What cannot be read is a line of the report. Values that may not be shown are hidden; with
    ``masking`` its rules decide how they are shown. Raises NotFound if the version is not complete,
    or was deleted meanwhile; Misuse for a wrong percentage or setting, Unreachable if the bucket
    does not answer.
    """
    began, objects = workspace.clock(), stores.objects
    metadata = catalog.read(objects, version)
    percent = _percent(sample, metadata)
    today = DailySample(percent, began.date())
    run = Verification(objects, workspace.executor, metadata, today, workspace.progress)
    earlier = catalog.versions_before(
        objects, version, HISTORY - 1, SourceIdentity.of(metadata.source)
    )
    context = read_stores(Workers(run, workspace.scratch), stores, model, masking)
    found = list(_lines(context, stores))
    outcomes = Counter(line.outcome for line in found)
    if worst(outcomes) != "passed":
        catalog.read(objects, version)  # raises NotFound if it was deleted meanwhile
    return Integrity(
        str(version),
        instant(began),
        round((workspace.clock() - began).total_seconds(), 3),
        worst(outcomes),
        None if today.is_whole else percent,
        {outcome: outcomes[outcome] for outcome in OUTCOMES},
        _figures(metadata, found),
        ordered(found),
        tuple(map(ChartPoint.of, (*earlier, metadata))),
    )


def _percent(sample: float | None, metadata: Metadata) -> float | None:
    size = uncompressed_bytes(metadata.exports.raw)
    if sample is not None or size <= WHOLE_BYTES:
        return sample
    return 100 * WHOLE_BYTES / size


def _figures(metadata: Metadata, found: list[Line]) -> dict[str, Figure]:
    """The summary figures of the report."""
    return {
        "tables": len(metadata.exports.raw.rows),
        "collections": len(metadata.exports.transformed.collections),
        "rows": metadata.exports.raw.record_count,
        "documents": sum(metadata.exports.transformed.documents.values()),
        "orphans": sum(int(line.figures.get("orphans") or 0) for line in found),
        "defects": sum(len(line.defects) for line in found),
    }


def _lines(context: ReportContext, stores: Stores) -> Iterator[Line]:
    yield from _store_lines(context)
    yield from agreement_lines(context)
    with DigestJoin.opened(context.workers.scratch, context.plan) as join:
        join.add_all(context.raw.read, context.documents.all)
        yield from value_lines(context, join)
        yield from copy_lines(context, join)
        yield from reference_lines(context, join)
        yield from duplicate_lines(context, join)
        yield from postgres_lines(context, stores.target, join)
    yield from loss_lines(context)
    yield from soft_delete_lines(context)
    yield from mongodb_lines(context, stores.documents)


def _store_lines(context: ReportContext) -> Iterator[Line]:
    """Check that each store can be read, and is the one that the metadata describes."""
    how = "opened; size and, unless sampled, SHA-256 compared with the metadata"
    archives = (context.raw, context.transformed, context.dump)
    for archive in filter(None, archives):
        yield _store_line(context, archive.store, f"the {archive.store.part} archive", how)
    if context.model_problem:
        judge, said = (
            partial(Finding, "unknown", context.model_problem),
            "the model of the documents",
        )
        yield context.line("stores", "model", said, "compared with the schema", judge)
    if context.mongodb is not None:
        yield _store_line(context, context.mongodb, "the live database", "its marker read")
    if context.restored is not None and context.restored.store.status != "absent":
        store = context.restored.store
        yield _store_line(context, store, "the restored database", "its marker read")


def _store_line(context: ReportContext, store: StoreReading, said: str, how: str) -> Line:
    outcome: Outcome = "unknown" if store.status == "absent" else store.status
    judge = partial(Finding, outcome, store.problem)
    return context.line("stores", store.part, said, how, judge)
