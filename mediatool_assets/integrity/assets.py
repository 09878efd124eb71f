"""The data-integrity report of a day: all stores of its newest version compared."""

from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.reports import newest_version, publish_report, report_check, report_spec
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.integrity import integrity
from mediatool_assets.flows.integrity.report import REPORT, judged, written
from mediatool_assets.flows.model.file import load_model


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
