"""Shared by the report assets: their place in the bucket, their HTML, and their check.

A report is about the newest complete version of its partition, which may be another one than the
run's. The asset is its JSON, written by the JSON IO manager; the HTML is stored beside it.
"""

from collections.abc import Callable
from typing import Any

import dagster as dg
import msgspec

from mediatool_assets.defs.check_results import check_result, check_spec
from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import errors_as_failures
from mediatool_assets.defs.io_managers import DOCUMENT_KEY
from mediatool_assets.defs.layers import JSON_IO, METADATA, layer_spec
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.errors import MediatoolError, NotFound
from mediatool_assets.domain.keys import Report, report_key
from mediatool_assets.domain.outcome import Finding
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports.markdown import markdown
from mediatool_assets.flows.reports.storage import ReportForms, keep_twin
from mediatool_assets.flows.versions import catalog

GROUP = "reports"


def report_asset(report: Report) -> dg.AssetKey:
    """The asset key of a report, from its name."""
    return dg.AssetKey(report.replace("-", "_"))


def report_spec(report: Report, description: str) -> dg.AssetSpec:
    """The asset of a report, made once the version is complete."""
    spec = layer_spec(GROUP, report_asset(report), [METADATA], description, {"s3", "json"})
    metadata = {DOCUMENT_KEY: report_key(report, "{partition}")}
    return spec.merge_attributes(metadata=metadata).with_io_manager_key(JSON_IO)


def newest_version(context: dg.AssetExecutionContext, objects: ObjectStore) -> Version:
    """The version that the partition's reports are about: the newest complete one."""
    RunVersion.of(context).to_read(objects)  # pins the run's version, which may be another one
    return catalog.latest(objects, context.partition_key).version


def publish_report(
    objects: ObjectStore, report: Report, version: Version, written: ReportForms
) -> dg.MaterializeResult[Any]:
    """Write the HTML report, and return the JSON to its IO manager; the UI shows Markdown."""
    return dg.MaterializeResult(
        asset_key=report_asset(report),
        value=msgspec.json.decode(msgspec.json.encode(written.content)),
        metadata={
            "report": dg.MetadataValue.md(markdown(written.page)),  # the UI shows the first first
            "html": keep_twin(objects, report, version.partition, written.page),
            "version": str(version),
            **written.figures,
        },
    )


def report_check(
    report: Report, name: str, says: str, judge: Callable[[ObjectStore, str], Finding]
) -> dg.AssetChecksDefinition:
    """A check of a report, which ``judge`` reads from the bucket by its partition."""
    asset = report_asset(report)

    @dg.multi_asset_check(name=f"check_{asset.path[-1]}", specs=[check_spec(asset, name, says)])
    def check_report(
        context: dg.AssetCheckExecutionContext, servers: ServersResource
    ) -> dg.AssetCheckResult:
        """Judge the report; one that cannot be read has not passed."""
        record_process(context.instance, context.run)
        key = dg.AssetCheckKey(asset, name)
        with errors_as_failures():
            try:
                finding = judge(servers.objects(), context.partition_key)
            except NotFound as error:
                finding = Finding("failed", str(error))
            except MediatoolError as error:
                finding = Finding("unknown", str(error))
        return check_result(key, finding)

    return check_report
