"""Settings of the daily run, its retention and alerts, and of local files."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from mediatool_assets.domain.days import FIRST_DAY
from mediatool_assets.domain.punctuality import Timetable
from mediatool_assets.domain.settings import parsers
from mediatool_assets.domain.settings.parsers import Setting
from mediatool_assets.domain.urls import Url

_topic = parsers.matching(
    r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?", "the ARN of an SNS topic"
)


@dataclass(frozen=True)
class OperationSettings:
    """Schedule, local files, retention, alerts, and the jobs of Dagster."""

    first_day: Annotated[
        date,
        Setting(
            parsers.day,
            "The first day that Dagster has a partition for, and that `export --date` takes.",
        ),
    ] = FIRST_DAY
    schedule_hour: Annotated[
        int, Setting(parsers.hour, "The hour, 0 to 23, at which the daily export begins.")
    ] = 2
    schedule_time_zone: Annotated[
        str,
        Setting(
            parsers.time_zone,
            "Time zone of that hour. Versions and partitions are named in UTC.",
        ),
    ] = "UTC"
    config: Annotated[
        Path | None,
        Setting(
            parsers.path,
            "The file of settings ([above](#mediatooltoml)). `--config` sets it.",
            otherwise="`mediatool.toml` in the working folder, if there is one",
        ),
    ] = None
    home: Annotated[
        Path,
        Setting(
            parsers.path, "Directory of the local servers, logs and the local version registry."
        ),
    ] = Path(".mediatool")
    cache_bytes: Annotated[
        int,
        Setting(
            parsers.whole("bytes", least=0),
            "Bytes of the Parquet files that `mediatool sql` and `mediatool history` keep under "
            "`MEDIATOOL_HOME/cache`.",
        ),
    ] = 10_000_000_000
    prune_daily: Annotated[
        bool,
        Setting(
            parsers.switch,
            "`yes`: the daily retention deletes what its plan drops. `no`: it only reports "
            "the plan.",
        ),
    ] = False
    keep_daily: Annotated[
        int, Setting(parsers.whole("databases", least=0), "How many daily databases `prune` keeps.")
    ] = 7
    keep_weekly: Annotated[
        int,
        Setting(parsers.whole("databases", least=0), "How many weekly databases `prune` keeps."),
    ] = 4
    keep_monthly: Annotated[
        int,
        Setting(parsers.whole("databases", least=0), "How many monthly databases `prune` keeps."),
    ] = 3
    keep_yearly: Annotated[
        int,
        Setting(parsers.whole("databases", least=0), "How many yearly databases `prune` keeps."),
    ] = 0
    keep_testing_days: Annotated[
        int, Setting(parsers.whole("days"), "How many days test exports are kept.")
    ] = 7
    keep_sanitized_days: Annotated[
        int,
        Setting(
            parsers.whole("days"),
            "How many days sanitized copies, and databases made from them, are kept.",
        ),
    ] = 30
    alert_log: Annotated[
        bool,
        Setting(
            parsers.switch,
            "`yes`: [alerts](../how-to/alerts.md) are logged by the code server, one JSON "
            "document a line.",
        ),
    ] = False
    alert_webhook_url: Annotated[
        Url | None,
        Setting(
            parsers.secret_url("https", "http"),
            "URL that alerts are posted to as JSON, for example a Slack incoming webhook. All "
            "of the URL but its host is secret.",
            otherwise="no webhook",
        ),
    ] = None
    alert_sns_topic_arn: Annotated[
        str | None,
        Setting(_topic, "Amazon SNS topic that alerts are published to.", otherwise="no topic"),
    ] = None
    alert_window_hours: Annotated[
        int,
        Setting(parsers.whole("hours"), "Hours for which the same problem is not reported again."),
    ] = 6
    dagster_url: Annotated[
        str | None,
        Setting(
            parsers.public_url("http", "https"),
            "Address of Dagster's UI, for the links in alerts.",
            otherwise="no links; `mediatool dev` sets it to its own address",
        ),
    ] = None
    new_version_job: Annotated[
        str, Setting(parsers.word, "The job that `new_version_sensor` starts.")
    ] = "reload_staging"
    staging_database: Annotated[
        str,
        Setting(
            parsers.word,
            "The MongoDB database that `reload_staging` fills.",
            otherwise="`mediatool_staging`; `mediatool_NAME_staging` of a source with a name",
        ),
    ] = "mediatool_staging"

    @property
    def timetable(self) -> Timetable:
        """When the daily export begins, and by when its version is due."""
        return Timetable(self.schedule_hour, self.schedule_time_zone)
