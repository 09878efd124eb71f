"""The weekly restore drill: the newest version restored to scratch databases."""

import dagster as dg
from pydantic import Field

from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import errors_as_failures
from mediatool_assets.defs.operations import GROUP, operation, scheduled
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.domain.ddl.kinds import by_setting
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.restore_record import RestoreRecord
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.load import DocumentKind
from mediatool_assets.flows.restore.drill import SCRATCH, drill_mongodb, drill_postgres
from mediatool_assets.flows.restore.records import RestoreRequest
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.workers.workspace import Workspace
from mediatool_assets.stores.environment import account

DRILL = dg.AssetKey([GROUP, "restore_drill"])


class DrillConfig(dg.Config):
    """The version to restore."""

    version: str | None = Field(
        default=None, description="a version; default: the newest complete one"
    )


@operation(
    DRILL,
    "Restores the newest version to scratch databases, verifies and times it, drops them.",
    {"mongodb", "postgres"},
)
def restore_drill(
    context: dg.AssetExecutionContext, config: DrillConfig, servers: ServersResource
) -> dg.MaterializeResult[None]:
    """Restore to the server of every target; one that fails, fails the run."""
    record_process(context.instance, context.run)
    with errors_as_failures():
        drills = _drills(context, servers, config.version)
    return dg.MaterializeResult(
        metadata={
            "version": drills[0].version,
            "verdict": "verified",
            **{f"seconds_{drill.to}": drill.seconds for drill in drills},
            **{f"rows_{drill.to}": sum(drill.rows.values()) for drill in drills},
            "servers": [f"{drill.to} {drill.server}" for drill in drills],
        }
    )


def _drills(
    context: dg.AssetExecutionContext, servers: ServersResource, asked: str | None
) -> list[RestoreRecord]:
    """Run the drills; raises the first error. Without a dump, the transformed archive is loaded."""
    settings, objects = servers.settings(), servers.objects()
    settings.require(*settings.targets.settings)
    newest = (
        catalog.latest(objects) if asked is None else catalog.read(objects, Version.parse(asked))
    )
    version, who = newest.version, account()

    def on_postgres(workspace: Workspace) -> RestoreRecord:
        target, skip = servers.target(), by_setting(settings.restore_skip)
        request = RestoreRequest(version, "postgres", SCRATCH, target.server, who)
        return drill_postgres(objects, target, workspace, request, skip)

    def on_mongodb(workspace: Workspace) -> RestoreRecord:
        from mediatool_assets.stores.mongodb import MongoDocuments  # noqa: PLC0415  # slow

        documents = MongoDocuments.of(settings, SCRATCH)
        request = RestoreRequest(version, "mongodb", SCRATCH, documents.server, who)
        kind: DocumentKind = "dump" if newest.targets.mongodb else "transformed"
        return drill_mongodb(objects, documents, workspace, request, kind)

    targets = settings.targets
    wanted = [
        *([on_postgres] if targets.postgres else []),
        *([on_mongodb] if targets.mongodb else []),
    ]
    drills, errors = list[RestoreRecord](), list[MediatoolError]()
    with servers.workspace(LoggedProgress(context)) as workspace:
        for drill in wanted:
            try:
                drills.append(drill(workspace))
            except MediatoolError as error:  # the other server is still tried
                context.log.error(str(error))
                errors.append(error)
    if errors:
        raise errors[0]
    return drills


WEEKLY_DRILL = scheduled(
    "weekly_restore_drill",
    DRILL,
    "Each Sunday at 05:00 UTC the newest version is restored to scratch databases.",
    "0 5 * * 0",
)
