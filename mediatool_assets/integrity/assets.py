"""The data-integrity report of a day: all stores of its newest version compared."""

from typing import Any

import dagster as dg

from mediatool_assets import orchestration as pools
from mediatool_assets.compare.row_digests import Masking
from mediatool_assets.core.model_file import load_model
from mediatool_assets.integrity.flow import integrity
from mediatool_assets.integrity.report import REPORT, judged, written
from mediatool_assets.orchestration import DAYS
from mediatool_assets.orchestration.io_managers import (
    newest_version,
    publish_report,
    report_check,
    report_spec,
)
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import LoggedProgress, retried


@dg.multi_asset(
    name="report_integrity",
    specs=[
        report_spec(
            REPORT,
            "All archives and databases of the version compared with each other: counts, content, "
            "every value, references, indexes.",
        )
    ],
    partitions_def=DAYS,
    pool=pools.REPORT,
)
def report_integrity(
    context: dg.AssetExecutionContext, servers: ServersResource
) -> dg.MaterializeResult[Any]:
    """Compare all stores of the partition's newest version, and store the report."""
    with retried(), servers.workspace(LoggedProgress(context)) as workspace:
        objects, settings = servers.objects(), servers.settings()
        version = newest_version(context, objects)
        report = integrity(
            servers.stores(),
            workspace,
            version,
            load_model(settings.model),
            sample=settings.integrity_sample,
            masking=Masking.of(settings),
        )
        return publish_report(objects, REPORT, version, written(report))


check_integrity = report_check(
    REPORT, "intact", "All stores of the version agree, down to single values.", judged
)
