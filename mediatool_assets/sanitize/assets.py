"""The sanitized copy of a version, and its proof; made with the version if a key is set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from mediatool_assets import orchestration as pools
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.settings import Settings
from mediatool_assets.orchestration import (
    ARCHIVES_IO,
    DAYS,
    GROUP,
    METADATA,
    SANITIZED,
    Facts,
    layer_spec,
    log_warnings,
)
from mediatool_assets.orchestration.io_managers import stored_archive
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import LoggedProgress, RunVersion, retried
from mediatool_assets.sanitize.copies import StoredCopy, sanitized_copy
from mediatool_assets.sanitize.flow import Sanitizing
from mediatool_assets.sanitize.rules_file import SHIPPED_RULES, load_rules
from mediatool_assets.stores.user_files import signing_key
from mediatool_assets.versions import catalog

PROVED = "proved"


class SanitizeRequest(dg.Config):
    """The rules to sanitize by."""

    rules: str | None = Field(
        default=None, description="a rules file; default: MEDIATOOL_MASKING_RULES, else our rules"
    )
    redact_unclassified: bool = Field(
        default=False, description="redact columns that no rule covers, instead of failing"
    )


@dg.multi_asset(
    name="sanitized",
    specs=[
        layer_spec(
            "sanitized",
            SANITIZED,
            [METADATA],
            "The version without personal or confidential data, and the proof of it. "
            "Needs MEDIATOOL_MASKING_KEY; `mediatool restore V --sanitized` restores it.",
            {"s3", "json"},
        )
        .replace_attributes(group_name=GROUP)  # not the version's: that needs no key
        .with_io_manager_key(ARCHIVES_IO)
    ],
    partitions_def=DAYS,
    pool=pools.SANITIZE,
    check_specs=[
        dg.AssetCheckSpec(
            PROVED,
            asset=SANITIZED,
            description="The report beside the copy is about this copy and has no finding.",
        )
    ],
)
def sanitize_version(
    context: dg.AssetExecutionContext, config: SanitizeRequest, servers: ServersResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Make and prove the sanitized copy; an existing one from the same inputs is adopted."""
    with retried():
        settings = servers.settings()
        how = Sanitizing(
            load_rules(_rules(config, settings)),
            settings.required_masking_key(),
            load_model(settings.model),
            config.redact_unclassified,
            signing_key=signing_key(settings),
        )
        objects = servers.objects()
        version = RunVersion.of(context).to_read(objects)
        with servers.workspace(LoggedProgress(context)) as workspace:
            copy = sanitized_copy(objects, workspace, version, how)
        digest = catalog.reader(objects, "sanitized", version).digest
    log_warnings(context, copy.report.warnings)
    yield dg.MaterializeResult(
        value=stored_archive(version, copy.archived, digest),
        metadata=_facts(copy),
        check_results=[_proved(copy)],
    )


def _rules(config: SanitizeRequest, settings: Settings) -> Path:
    return Path(config.rules) if config.rules else settings.masking_rules or SHIPPED_RULES


def _facts(copy: StoredCopy) -> Facts:
    report = copy.report
    return {
        "report": dg.MetadataValue.path(copy.reports[1]),
        "values_masked": sum(report.counts.values()),
        "originals_searched": report.proof.searched,
        "findings": len(report.proof.findings),
        "key_id": report.key_id,
        "rules": f"{report.rules} {report.rules_sha256}",
        "warnings": list(report.warnings),
    }


def _proved(copy: StoredCopy) -> dg.AssetCheckResult:
    problems = copy.problems
    return dg.AssetCheckResult(
        passed=not problems,
        asset_key=SANITIZED,
        check_name=PROVED,
        description="; ".join(problems[:5])
        or f"{copy.report.proof.searched:,} original values were searched for; none was found",
        metadata={"problems": list(problems), "report": dg.MetadataValue.path(copy.reports[1])},
    )


SANITIZE_JOB = dg.define_asset_job(
    "sanitize_version",
    dg.AssetSelection.assets(SANITIZED),
    description="The sanitized copy of the partition's newest complete version, or of the one that "
    "the run tag mediatool/version names.",
    executor_def=dg.in_process_executor,
)
