"""Reports of every kind over a few days, in a bucket: what a site is made of."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from mediatool_assets import pages as storage
from mediatool_assets.bucket.cost_report import COSTS_PREFIX, costs, render
from mediatool_assets.bucket.flow import POSTURE_PREFIX, SHIPPED_PRICES, read_prices
from mediatool_assets.bucket.rules import Control, PostureRecord
from mediatool_assets.core.metrics import ChartPoint
from mediatool_assets.core.model import Model
from mediatool_assets.core.outcomes import Figure
from mediatool_assets.core.version import SANITIZED_PREFIX, Report, Version, report_key
from mediatool_assets.integrity.plan import Defect, Integrity, Line
from mediatool_assets.reports.flow import ReportTools, daily_metrics
from mediatool_assets.reports.report import compared, written
from mediatool_assets.sanitize import report as sanitizing
from mediatool_assets.sanitize.proof import Proof
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.complete_versions import USERS, complete, users
from mediatool_assets_tests.made_up_year import year
from mediatool_assets_tests.raw_archives import table

DAYS = ("2025-06-20", "2025-06-21", "2025-06-22")
LONG = table("a_table_with_a_name_that_is_as_long_as_postgresql_lets_it_be_63", id="integer")
_NAMES = (("ada", "bob"), ("ada", "bob", "cy"), ("ada", "cyd"))


def version_of(day: str) -> Version:
    """The version of a day."""
    return Version.parse(f"{day.replace('-', '')}-020000")


def fill(objects: ObjectStore, scratch: Path) -> None:
    """A version a day with its metrics and comparison; of the last day every kind of report."""
    versions = [version_of(day) for day in DAYS]
    for version, names in zip(versions, _NAMES, strict=True):
        rows = [{"id": number} for number in range(len(names))]
        complete(objects, str(version), {USERS: users(*names), LONG: rows})
    with ThreadPoolExecutor(1) as executor:
        model = Model("m", {}, {}, metrics=("users", "campaigns"))
        tools = ReportTools(objects, Workspace(executor, scratch), model)
        for version in versions:
            daily = daily_metrics(tools, version)
            _keep(objects, "daily-metrics-comparison", version, written(daily.metrics).content)
            content = compared(version, daily.comparison).content
            _keep(objects, "version-comparison", version, content)
    last, day = versions[-1], DAYS[-1]
    _keep(objects, "data-integrity-report", last, integrity(last))
    storage.keep(objects, f"{POSTURE_PREFIX}{day}.json", msgspec.json.encode(posture()))
    found = costs(year(), read_prices(SHIPPED_PRICES))
    storage.keep(objects, f"{COSTS_PREFIX}{day}.json", render(found, "json"))
    key = f"{SANITIZED_PREFIX}{day}/{last}-sanitized-report.json"
    storage.keep(objects, key, sanitized(last).to_json())


def _keep(objects: ObjectStore, report: Report, version: Version, content: msgspec.Struct) -> None:
    storage.keep(objects, report_key(report, version.partition), msgspec.json.encode(content))


def integrity(version: Version) -> Integrity:
    """A version with a row missing in MongoDB."""
    defect = Defect("missing", "mongodb", LONG.name, {"id": msgspec.Raw(b"1")})
    line = Line(
        "values", LONG.name, "each value", "read again", "failed", "1 missing",
        {"surplus": 0, "missing": 1, "differs": 0}, 0.1, (defect,),
    )  # fmt: skip
    passed = Line("counts", "users", "rows", "counted", "passed")
    points = tuple(
        ChartPoint(str(version_of(d)), n, n, 900 + n, 90 + n) for n, d in enumerate(DAYS)
    )
    counts = {"passed": 1, "failed": 1}
    figures: dict[str, Figure] = {"rows": 12}
    return Integrity(
        str(version), "2025-06-22T02:10:00Z", 1.0, "failed", None, counts, figures,
        (line, passed), points,
    )  # fmt: skip


def posture() -> PostureRecord:
    """A bucket of which one control passed."""
    ids, command = ("s3_bucket_default_encryption",), "aws s3api put-bucket-versioning " + "x" * 90
    controls = (
        Control("encryption", "passed", "SSE-S3", ids),
        Control("versioning", "failed", "never enabled", commands=(command,)),
        Control("public-access", "unknown", "the server answered NotImplemented"),
    )
    return PostureRecord("media-tool-backups", "2025-06-22T03:30:00Z", controls)


def sanitized(version: Version) -> sanitizing.Report:
    """A copy in which nothing was found."""
    proof = Proof((), (), (), (), (), 120, 4000, {}, {"users.name": 2}, {}, {"users.name": 3})
    column = sanitizing.ColumnReport("users", "name", "person", {"person": 3})
    return sanitizing.Report(
        str(version), "raw.tar.gz", "sanitized.tar.gz", "rules.yaml", "a" * 64, "0123456789abcdef",
        {"users": 2}, (column,), {"person": 3}, (), proof, ("a column has no rule",),
    )  # fmt: skip
