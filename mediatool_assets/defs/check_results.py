"""Specs and results of asset checks, made from findings."""

import warnings
from collections.abc import Mapping

import dagster as dg

from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.domain.outcome import Finding


def check_spec(
    asset: dg.AssetKey, name: str, says: str, *, blocking: bool = False
) -> dg.AssetCheckSpec:
    """A check of an asset, with a result for each partition."""
    with warnings.catch_warnings():  # partitions_def works, but Dagster does not guarantee it yet
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, description=says, blocking=blocking, partitions_def=DAYS
        )


def check_result(check: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckResult:
    """A finding as a Dagster check result; an unknown finding has not passed."""
    return dg.AssetCheckResult(
        passed=finding.outcome == "passed",
        asset_key=check.asset_key,
        check_name=check.name,
        description=finding.reason,
        severity=severity(finding),
        metadata=figures(finding),
    )


def severity(finding: Finding) -> dg.AssetCheckSeverity:
    """The severity of a finding that has not passed."""
    warned = finding.outcome == "warned"
    return dg.AssetCheckSeverity.WARN if warned else dg.AssetCheckSeverity.ERROR


def figures(finding: Finding) -> Mapping[str, str | int | float]:
    """The figures for a result's metadata, without those that are None."""
    known = {name: figure for name, figure in finding.figures.items() if figure is not None}
    return {"outcome": finding.outcome, **known}
