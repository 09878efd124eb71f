"""The signature of a version as part of its verdict, and the chain of versions."""

from collections.abc import Mapping

from mediatool_assets.domain.authenticity import Authenticity
from mediatool_assets.domain.chain import Checkpoint
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.keys import CHAIN_PREFIX, metadata_key
from mediatool_assets.domain.targets import VersionArchive
from mediatool_assets.flows.verify.stores import ArchiveReading, StoreReading, Verification
from mediatool_assets.flows.versions import archives as stored
from mediatool_assets.flows.versions import chain


def read_signature(
    run: Verification, archives: Mapping[VersionArchive, ArchiveReading]
) -> tuple[Authenticity, StoreReading | None]:
    """Compare metadata and archives with the signature; returns None if no key is trusted."""
    found = stored.authenticity_of(run.objects, run.version)
    if not run.objects.signature_policy.keys:
        return found, None
    reading = StoreReading("authenticity", run.objects.uri(metadata_key(run.version)))
    reading.total = reading.checked = 1
    if found.statement is None:
        reading.add(str(found))
        return found, reading
    for kind, archive in archives.items():
        signed = found.statement.archives.get(kind)
        if archive.reader is not None and archive.reader.digest != signed:
            reading.add(f"forged: the {kind} archive is not the one that was signed")
    return found, reading


def read_chain(run: Verification, since: Checkpoint) -> StoreReading:
    """Read the chain of all versions, and compare it with a checkpoint."""
    reading = StoreReading("chain", run.objects.uri(CHAIN_PREFIX))
    try:
        found = chain.check(run.objects, since)
    except MediatoolError as error:
        reading.add(error)
        return reading
    reading.total = reading.checked = found.newest.number
    for finding in found.findings:
        reading.add(finding)
    return reading
