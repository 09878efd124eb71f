"""Verify: reads a version's archives and databases again, and judges them."""

from mediatool_assets.domain.chain import Checkpoint
from mediatool_assets.domain.metadata import instant
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.verdict import Verdict, judged
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import Stores
from mediatool_assets.flows.verify.blocks import read_blocks
from mediatool_assets.flows.verify.databases import read_mongodb, read_postgres
from mediatool_assets.flows.verify.signatures import read_chain, read_signature
from mediatool_assets.flows.verify.stores import (
    Verification,
    open_archive,
    open_mongodb,
    open_postgres,
)
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.workers.workspace import Workspace


def verify(
    stores: Stores,
    workspace: Workspace,
    version: Version,
    *,
    sample: float | None = None,
    since: Checkpoint | None = None,
) -> Verdict:
    """Read a complete version's archives and databases again, and compare them with the manifests.

    Without ``sample`` every byte is read. With it, that percentage of blocks, collections and
    tables is read: another sample each day, so that everything was read after ``100 / sample``
    days.

    If a server does not answer, or is not set although the metadata names a database on it, that
    database is unknown, which is not passed. If keys are trusted, one of them must have signed the
    version. With ``since`` the chain of versions is read too. Raises NotFound if the version is not
    complete, or was deleted while it was read; Unreachable if the bucket does not answer, Misuse
    for a wrong percentage or setting.
    """
    began = workspace.clock()
    run = Verification(
        stores.objects,
        workspace.executor,
        catalog.read_unauthenticated(stores.objects, version)[0],
        DailySample(sample, began.date()),
        workspace.progress,
    )
    documents, target = stores.documents, stores.target
    mongodb, postgres = open_mongodb(run, documents), open_postgres(run, target)
    archives = {kind: open_archive(run, kind) for kind in run.archives}
    for archive in archives.values():
        read_blocks(run, archive)
    if mongodb is not None and documents is not None:
        read_mongodb(run, mongodb, documents, archives["transformed"].manifest)
    if postgres is not None and target is not None:
        read_postgres(run, postgres, target, archives["raw"])
    found, signed = read_signature(run, archives)
    chained = read_chain(run, since) if since is not None else None
    readings = (*archives.values(), mongodb, postgres, signed, chained)
    checks = [each.check() for each in readings if each is not None]
    if judged(checks) == "failed":
        catalog.read_unauthenticated(
            stores.objects, version
        )  # raises NotFound if it was deleted meanwhile
    return Verdict(
        str(version),
        instant(began, exact=True),
        round((workspace.clock() - began).total_seconds(), 3),
        judged(checks),
        tuple(checks),
        sample,
        str(found),
    )
