"""Verify: a version's archives and databases read again, and judged."""

from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime

from mediatool_assets.domain import verdict as verdicts
from mediatool_assets.domain.verdict import Check, Part, Share, Verdict, judged
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import catalog
from mediatool_assets.flows.archive_check import ArchiveCheck, Round
from mediatool_assets.flows.database_check import check_mongodb, check_postgres
from mediatool_assets.flows.ports import DocumentStore, ObjectStore, Progress, Target, silent


def verify(  # noqa: PLR0913  # three stores, a pool and a version; the rest is optional
    objects: ObjectStore,
    documents: DocumentStore | None,
    target: Target | None,
    executor: Executor,
    version: Version,
    *,
    clock: Callable[[], datetime],
    sample: float | None = None,
    progress: Progress = silent,
) -> Verdict:
    """Read a complete version's archives and databases again, and say what was found.

    Without ``sample`` every byte. With it that percentage of blocks, collections and tables:
    another share each day of ``clock``, so that all was read after ``100 / sample`` days. A server
    that does not answer, or is not given while the metadata names a database on it, leaves that
    unknown, which is not passed. Raises NotFound for a version that is not complete, Unreachable
    where the bucket does not answer, Misuse for a percentage without meaning.
    """
    began = clock()
    share = Share(sample, began.date())
    metadata = catalog.read(objects, version)
    of = Round(version, share, executor, progress)
    raw = ArchiveCheck(of, objects, "raw", metadata.exports.raw)
    transformed = ArchiveCheck(of, objects, "transformed", metadata.exports.transformed)
    dump = ArchiveCheck(of, objects, "dump", metadata.exports.dump)
    checks = [archive.run() for archive in (raw, transformed, dump)]
    if documents is not None:
        checks.append(check_mongodb(of, documents, transformed.manifest))
    elif (database := metadata.databases_created.mongodb) is not None:
        checks.append(_not_told("mongodb", database, "MEDIATOOL_MONGODB_URL"))
    if target is not None:
        checks.append(check_postgres(of, target, raw.manifest, metadata.source.schema))
    elif (database := metadata.databases_created.postgres) is not None:
        checks.append(_not_told("postgres", database, "MEDIATOOL_RESTORE_POSTGRES_URL"))
    return Verdict(
        str(version),
        began.isoformat(),
        round((clock() - began).total_seconds(), 3),
        judged(checks),
        tuple(checks),
        sample,
    )


def _not_told(part: Part, database: str, variable: str) -> Check:
    return Check(part, database, "unknown", findings=(f"{variable} is not set",))


def keep(objects: ObjectStore, verdict: Verdict) -> str:
    """Keep a verdict for good, beside the version; returns its key."""
    key = verdicts.verdict_key(Version.parse(verdict.version), verdict)
    objects.put(key, verdicts.encode(verdict))
    return key


def standing_verdict(objects: ObjectStore, version: Version) -> Verdict | None:
    """The verdict on a version that counts; None where it was never verified."""
    keys = [info.key for info in objects.list(verdicts.verdicts_prefix(version))]
    failed = max((n for n, key in enumerate(keys) if key.endswith(verdicts.FAILED)), default=-1)
    return verdicts.standing([verdicts.decode(objects.get(key)[0]) for key in keys[failed:]])
