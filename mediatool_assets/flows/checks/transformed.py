"""Checks the result of the transform: homes of rows, unresolved references, value losses."""

from collections.abc import Mapping

from mediatool_assets.domain import expectations
from mediatool_assets.domain.expectations import HISTORY
from mediatool_assets.domain.outcome import Finding
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.checks.unreadable import Findings, errors_as_finding, errors_as_findings
from mediatool_assets.flows.complete import reconciliation
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import archives, catalog


@errors_as_findings
def references_as_usual(objects: ObjectStore, version: Version, collections: list[str]) -> Findings:
    """Compare each collection's number of unresolved references with the previous versions."""
    counts = reconciliation.unresolved(archives.reader(objects, "transformed", version))
    history = [
        m.exports.transformed.unresolved for m in catalog.versions_before(objects, version, HISTORY)
    ]
    found = {}
    for name in collections:
        own = {field: n for field, n in counts.items() if field.partition(".")[0] == name}
        found[name] = expectations.counts_as_usual("unresolved references", own, history, "failed")
    return found


@errors_as_finding("rows")
def rows_accounted(objects: ObjectStore, version: Version) -> Finding:
    """Compare every row of the raw archive with the homes that the transform recorded."""
    raw = archives.reader(objects, "raw", version).manifest
    homes = reconciliation.homes(archives.reader(objects, "transformed", version))
    return expectations.accounted({t: member.rows for t, member in raw.tables().items()}, homes)


@errors_as_finding("losses")
def losses_as_usual(objects: ObjectStore, version: Version) -> Finding:
    """Compare the values that BSON could not hold, by column and kind, with previous versions."""
    counts = reconciliation.losses(archives.reader(objects, "transformed", version))
    history = [
        _by_kind(m.exports.transformed.losses)
        for m in catalog.versions_before(objects, version, HISTORY)
    ]
    return expectations.counts_as_usual("lost values", _by_kind(counts), history, "warned")


def _by_kind(losses: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {f"{column} {kind}": n for column, kinds in losses.items() for kind, n in kinds.items()}
