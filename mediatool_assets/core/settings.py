"""Settings: each declared once, parsed from a mapping, with every problem reported at once.

Each module declares the settings of one subject, and what is derived from them.

Settings of the PostgreSQL database that is exported.

Settings of the databases that versions are copied and restored to.

Settings of what a version contains, and of how it is masked, signed and verified.

Settings of the processes that do the work.

Settings of the daily run, its retention and alerts, and of local files.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Annotated

from mediatool_assets.core import setting_values
from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.outcomes import Timetable
from mediatool_assets.core.setting_values import DEFAULT as DEFAULT_TARGETS
from mediatool_assets.core.setting_values import (
    Setting,
    StorageSettings,
    Targets,
    object_names,
    variable,
)
from mediatool_assets.core.signing import MaskingKey, SigningKey, TrustedKey
from mediatool_assets.core.texts import SHIPPED_MODEL, Url, host_of, is_this_machine
from mediatool_assets.core.version import AS_DESCRIBED, FIRST_DAY, REGISTRY_NAME, DatabaseNames

MAX_LAG_SECONDS = 300
"""Of a hot standby. Less than its usual lag would be an alert each night."""


@dataclass(frozen=True)
class SourceSettings:
    """The source database."""

    source: Annotated[
        str | None,
        Setting(
            setting_values.matching(
                setting_values.SOURCE_NAME, "a name of up to 20 lower-case letters, digits, _"
            ),
            "The source among several ([several sources](../how-to/two-databases.md)): a section "
            "`[sources.NAME]` of the settings file. `--source`, before the command, sets it.",
            otherwise="the only source; in Dagster, all sections",
        ),
    ] = None
    postgres_url: Annotated[
        Url | None,
        Setting(
            setting_values.secret_url("postgresql", "postgres"),
            "URL of the source database. Connections to another machine use TLS "
            "([access.md](../how-to/access.md)).",
        ),
    ] = None
    postgres_schema: Annotated[
        str, Setting(setting_values.words, "The schema to export, or several separated by commas.")
    ] = "media_tool"
    postgres_primary_url: Annotated[
        Url | None,
        Setting(
            setting_values.secret_url("postgresql", "postgres"),
            "If `MEDIATOOL_POSTGRES_URL` is a hot standby: URL of its primary, which is read after "
            "the standby has canceled an export three times "
            "([standby.md](../how-to/standby.md)).",
            otherwise="the export fails after three times",
        ),
    ] = None
    postgres_max_lag_seconds: Annotated[
        int,
        Setting(
            setting_values.whole("seconds", least=0),
            "If a hot standby is farther behind its primary, the version's metadata has a warning, "
            "and an alert is sent.",
        ),
    ] = MAX_LAG_SECONDS


HARMLESS_EXTENSIONS = frozenset({"bloom", "earthdistance", "postgis", "vector"})
"""Types, functions and indexes that reach no file, program or server, and are yet not trusted."""


@dataclass(frozen=True)
class TargetSettings:
    """The servers that hold databases of versions, and the names of these databases."""

    restore_postgres_url: Annotated[
        Url | None,
        Setting(
            setting_values.secret_url("postgresql", "postgres"),
            "URL of the server that versions are restored to, with a role that has `CREATEDB` "
            "and `CREATEROLE` ([access.md](../how-to/access.md#postgresql-restores)). "
            "Its database is only used to connect.",
        ),
    ] = None
    restore_extensions: Annotated[
        frozenset[str],
        Setting(
            setting_values.names,
            "Extensions that a restore may create although PostgreSQL does not mark them as "
            "trusted, separated by commas ([access.md](../how-to/access.md#postgresql-restores)).",
        ),
    ] = HARMLESS_EXTENSIONS
    restore_skip: Annotated[
        tuple[str, ...],
        Setting(
            object_names,
            "Objects that restores to PostgreSQL leave out, separated by semicolons, as messages "
            "name them: `VIEW totals; EXTENSION postgis`. The version's metadata records them "
            "([restoring](../how-to/restore.md)).",
            separator=";",
        ),
    ] = ()
    mongodb_url: Annotated[
        Url | None,
        Setting(
            setting_values.secret_url("mongodb", "mongodb+srv"),
            "URL of the MongoDB server that holds the versions' databases.",
        ),
    ] = None
    targets: Annotated[
        Targets,
        Setting(
            Targets.parse,
            "The databases that every version is copied to, beside its archives on S3: `mongodb`, "
            "`postgres`, both separated by a comma, or `none` ([targets](../how-to/targets.md)).",
            otherwise="`mongodb`, and `postgres` if `MEDIATOOL_RESTORE_POSTGRES_URL` is set",
        ),
    ] = DEFAULT_TARGETS
    mongodb_prefix: Annotated[
        str,
        Setting(
            setting_values.matching(
                r"[A-Za-z][A-Za-z0-9_-]{0,30}[_-]", "a name that ends in _ or -"
            ),
            "What the names of MongoDB databases and dumps begin with. The version follows.",
            otherwise="`mediatool_`; `mediatool_NAME_` of a source with a name",
        ),
    ] = AS_DESCRIBED.mongodb
    postgres_prefix: Annotated[
        str,
        Setting(
            setting_values.matching(r"[a-z][a-z0-9_-]{0,30}[_-]", "a name that ends in _ or -"),
            "What the names of restored PostgreSQL databases begin with. The version follows.",
            otherwise="`media_tool_`; `media_tool_NAME_` of a source with a name",
        ),
    ] = AS_DESCRIBED.postgres

    @property
    def database_names(self) -> DatabaseNames:
        """How the versions' databases are called."""
        return DatabaseNames(self.mongodb_prefix, self.postgres_prefix)


@dataclass(frozen=True)
class VersionSettings:
    """The model, the tables, masking, signatures and verification."""

    model: Annotated[
        Path,
        Setting(
            setting_values.path,
            "The model file ([models.md](models.md)).",
            otherwise="the shipped `media_tool.yaml`",
            exists="file",
        ),
    ] = SHIPPED_MODEL
    exclude_tables: Annotated[
        frozenset[str],
        Setting(
            setting_values.names,
            "Tables to leave out, separated by commas. Every archive records them with the "
            "reason and their row counts. The export fails with exit code 3, and names the "
            "lines of the model, if the model looks up or embeds such a table elsewhere, or "
            "embeds other tables in it. A table that was dropped from the source can be listed "
            "too, so that the model need not change at once.",
        ),
    ] = frozenset()
    masking_key: Annotated[
        MaskingKey | None,
        Setting(
            MaskingKey.parse,
            "Key of the pseudonyms: 32 random bytes or more, in hexadecimal or base64 "
            "([sanitizing.md](sanitizing.md)). With it, the daily job makes sanitized copies. "
            "Without it, `mediatool sanitize` uses the key file in MEDIATOOL_HOME.",
        ),
    ] = None
    masking_rules: Annotated[
        Path | None,
        Setting(
            setting_values.path,
            "Masking rules for sanitized copies and for the values in reports.",
            otherwise="the shipped rules",
            exists="file",
        ),
    ] = None
    signing_key: Annotated[
        SigningKey | Path | None,
        Setting(
            setting_values.signing_key,
            "Secret key that versions are signed with, or the path of its file "
            "([signatures](../how-to/signatures.md)).",
            otherwise="versions are not signed",
        ),
    ] = None
    trusted_keys: Annotated[
        tuple[TrustedKey, ...] | Path | None,
        Setting(
            setting_values.trusted_keys,
            "Public keys whose versions are trusted, separated by commas, or the path of a file of "
            "them. `ed25519:KEY@2026-01-01..2026-12-31` may sign versions of these days only.",
            otherwise="signatures are not compared",
        ),
    ] = None
    verify_sample: Annotated[
        float,
        Setting(
            setting_values.percent, "Percentage of a version that the daily verification reads."
        ),
    ] = 5.0
    verify_days: Annotated[
        int,
        Setting(
            setting_values.whole("days"),
            "How many days back the daily verification reads versions. Older raw archives are "
            "in GLACIER.",
        ),
    ] = 89
    integrity_sample: Annotated[
        float | None,
        Setting(
            setting_values.percent,
            "Percentage of rows that the daily integrity report compares by value ([data "
            "integrity](../how-to/integrity.md)).",
            otherwise="all, up to 8 GB",
        ),
    ] = None

    def required_masking_key(self) -> MaskingKey:
        """The key of ``MEDIATOOL_MASKING_KEY``; raises BadSettings: no key, no run."""
        if self.masking_key is None:
            problems = ["MEDIATOOL_MASKING_KEY is not set", "`openssl rand -hex 32` makes one"]
            raise BadSettings(problems)
        return self.masking_key


def _scheduler(text: str) -> str:
    """``tcp://host:port`` or ``tls://host:port``; without a scheme it is TCP, as Dask has it."""
    address = text if "://" in text else f"tcp://{text}"
    return setting_values.public_url("tcp", "tls")(address)


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """The scheduler of a Dask cluster, and what TLS needs to reach it: all three files or none."""

    scheduler: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class WorkerSettings:
    """Local worker processes, or the workers of a Dask cluster."""

    workers: Annotated[
        int,
        Setting(
            setting_values.whole("workers"),
            "Number of worker processes.",
            otherwise="the number of CPU cores",
        ),
    ] = os.cpu_count() or 1
    native: Annotated[
        bool,
        Setting(
            setting_values.switch,
            "`no`: Python converts rows instead of the compiled codec "
            "([performance](../explanation/performance.md#the-codec-of-rows)).",
            otherwise="`yes`, if the codec is compiled",
        ),
    ] = True
    dask_scheduler: Annotated[
        str | None,
        Setting(
            _scheduler,
            "Address of a Dask scheduler whose workers are used instead "
            "([scaling.md](../how-to/scaling.md)).",
            otherwise="local worker processes",
        ),
    ] = None
    dask_ca: Annotated[
        Path | None,
        Setting(
            setting_values.path,
            "PEM file of the certificate authority that signed the cluster's certificates.",
            exists="file",
        ),
    ] = None
    dask_cert: Annotated[
        Path | None,
        Setting(setting_values.path, "PEM file of this client's certificate.", exists="file"),
    ] = None
    dask_key: Annotated[
        Path | None,
        Setting(setting_values.path, "PEM file of the certificate's private key.", exists="file"),
    ] = None
    dask_insecure: Annotated[
        bool,
        Setting(
            setting_values.switch,
            "`yes`: a scheduler on another machine may be used without TLS. Rows, and the right to "
            "run code, are then open to everybody who can reach the cluster.",
        ),
    ] = False
    scratch: Annotated[
        Path | None,
        Setting(
            setting_values.path,
            "Directory for temporary files. With Dask workers on several machines, "
            "comparisons, reports and sanitized copies need one that all of them share.",
            otherwise="`TMPDIR`",
            exists="directory",
        ),
    ] = None

    @property
    def cluster(self) -> DaskCluster | None:
        """The Dask cluster that does the work; None for processes of this machine."""
        if self.dask_scheduler is None:
            return None
        return DaskCluster(self.dask_scheduler, self.dask_ca, self.dask_cert, self.dask_key)

    def cluster_problems(self) -> Iterator[str]:
        """What is wrong between the settings of a Dask cluster."""
        if self.dask_scheduler is None:
            return
        scheme, _, place = self.dask_scheduler.partition("://")
        files = (self.dask_ca, self.dask_cert, self.dask_key)
        if scheme == "tls" and None in files:
            yield "MEDIATOOL_DASK_SCHEDULER is tls://: set MEDIATOOL_DASK_CA, _CERT and _KEY"
        if scheme == "tcp" and files != (None, None, None):
            yield "MEDIATOOL_DASK_SCHEDULER is tcp://, and certificates are set: write tls://"
        elif scheme == "tcp" and not (self.dask_insecure or is_this_machine(host_of(place))):
            yield (
                "MEDIATOOL_DASK_SCHEDULER is on another machine, without TLS: write tls:// and set "
                "MEDIATOOL_DASK_CA, _CERT and _KEY, or MEDIATOOL_DASK_INSECURE=yes"
            )


_topic = setting_values.matching(
    r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?", "the ARN of an SNS topic"
)


@dataclass(frozen=True)
class OperationSettings:
    """Schedule, local files, retention, alerts, and the jobs of Dagster."""

    first_day: Annotated[
        date,
        Setting(
            setting_values.day,
            "The first day that Dagster has a partition for, and that `export --date` takes.",
        ),
    ] = FIRST_DAY
    schedule_hour: Annotated[
        int, Setting(setting_values.hour, "The hour, 0 to 23, at which the daily export begins.")
    ] = 2
    schedule_time_zone: Annotated[
        str,
        Setting(
            setting_values.time_zone,
            "Time zone of that hour. Versions and partitions are named in UTC.",
        ),
    ] = "UTC"
    config: Annotated[
        Path | None,
        Setting(
            setting_values.path,
            "The file of settings ([above](#mediatooltoml)). `--config` sets it.",
            otherwise="`mediatool.toml` in the working folder, if there is one",
        ),
    ] = None
    home: Annotated[
        Path,
        Setting(
            setting_values.path,
            "Directory of the local servers, logs and the local version registry.",
        ),
    ] = Path(".mediatool")
    cache_bytes: Annotated[
        int,
        Setting(
            setting_values.whole("bytes", least=0),
            "Bytes of the Parquet files that `mediatool sql` and `mediatool history` keep under "
            "`MEDIATOOL_HOME/cache`.",
        ),
    ] = 10_000_000_000
    prune_daily: Annotated[
        bool,
        Setting(
            setting_values.switch,
            "`yes`: the daily retention deletes what its plan drops. `no`: it only reports "
            "the plan.",
        ),
    ] = False
    keep_daily: Annotated[
        int,
        Setting(
            setting_values.whole("databases", least=0), "How many daily databases `prune` keeps."
        ),
    ] = 7
    keep_weekly: Annotated[
        int,
        Setting(
            setting_values.whole("databases", least=0), "How many weekly databases `prune` keeps."
        ),
    ] = 4
    keep_monthly: Annotated[
        int,
        Setting(
            setting_values.whole("databases", least=0), "How many monthly databases `prune` keeps."
        ),
    ] = 3
    keep_yearly: Annotated[
        int,
        Setting(
            setting_values.whole("databases", least=0), "How many yearly databases `prune` keeps."
        ),
    ] = 0
    keep_testing_days: Annotated[
        int, Setting(setting_values.whole("days"), "How many days test exports are kept.")
    ] = 7
    keep_sanitized_days: Annotated[
        int,
        Setting(
            setting_values.whole("days"),
            "How many days sanitized copies, and databases made from them, are kept.",
        ),
    ] = 30
    alert_log: Annotated[
        bool,
        Setting(
            setting_values.switch,
            "`yes`: [alerts](../how-to/alerts.md) are logged by the code server, one JSON "
            "document a line.",
        ),
    ] = False
    alert_webhook_url: Annotated[
        Url | None,
        Setting(
            setting_values.secret_url("https", "http"),
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
        Setting(
            setting_values.whole("hours"), "Hours for which the same problem is not reported again."
        ),
    ] = 6
    dagster_url: Annotated[
        str | None,
        Setting(
            setting_values.public_url("http", "https"),
            "Address of Dagster's UI, for the links in alerts.",
            otherwise="no links; `mediatool dev` sets it to its own address",
        ),
    ] = None
    new_version_job: Annotated[
        str, Setting(setting_values.word, "The job that `new_version_sensor` starts.")
    ] = "reload_staging"
    staging_database: Annotated[
        str,
        Setting(
            setting_values.word,
            "The MongoDB database that `reload_staging` fills.",
            otherwise="`mediatool_staging`; `mediatool_NAME_staging` of a source with a name",
        ),
    ] = "mediatool_staging"

    @property
    def timetable(self) -> Timetable:
        """When the daily export begins, and by when its version is due."""
        return Timetable(self.schedule_hour, self.schedule_time_zone)


@dataclass(frozen=True)
class Settings(
    # A dataclass takes the fields of its last base first.
    OperationSettings,
    WorkerSettings,
    VersionSettings,
    StorageSettings,
    TargetSettings,
    SourceSettings,
):
    """Everything that is set from outside, in the order of docs/reference/settings.md.

    A new setting is one more field of a base: parsing, the reference and the repr follow from it.
    ``str`` and ``repr`` show no secret.
    """

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the ``MEDIATOOL_*`` variables; raises BadSettings with all problems together."""
        settings, problems = cls.read(environ)
        if problems:
            raise BadSettings(problems)
        return settings

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple["Settings", list[str]]:
        """The settings, without the wrong ones, and the problems."""
        values: dict[str, object] = {}
        problems: list[str] = []
        for name, declared in DECLARED.items():
            text = environ.get(variable(name), "").strip()
            try:
                if text:
                    value = declared.parse(text)
                    if isinstance(value, Url):
                        value = replace(value, variable=variable(name))
                    values[name] = value
                elif declared.inherits in values:
                    values[name] = values[declared.inherits]
            except ValueError as error:
                problems.append(f"{variable(name)} {error}")
        values.setdefault("targets", Targets(postgres="restore_postgres_url" in values))
        if "source" in values:
            values = own_names(str(values["source"])) | values
        values.setdefault("s3_prefixes", (values.get("s3_prefix", ""),))
        settings = cls(**values)  # type: ignore[arg-type]  # each parser returns its field's type
        problems += [*settings.cluster_problems(), *settings.bucket_problems()]
        return settings, problems

    @property
    def local_registry(self) -> Path:
        """The local copy of the bucket's registry of versions."""
        folder = self.home / "sources" / self.source if self.source else self.home
        return folder / REGISTRY_NAME

    def required_url(self, name: str) -> Url:
        """The URL of this field; raises BadSettings where it is not set."""
        self.require(name)
        url: Url = getattr(self, name)
        return url

    def require(self, *names: str) -> None:
        """Raise BadSettings naming every one of these fields that is not set."""
        missing = [variable(n) for n in names if getattr(self, n) is None]
        if missing:
            raise BadSettings(
                [f"{name} is not set" for name in missing]
                + ["start the local servers with `mediatool up`, or set it"]
            )


def own_names(source: str) -> dict[str, object]:
    """The defaults of the settings that keep a source with a name apart from all others."""
    return {
        "s3_prefix": f"{source}/",
        "mongodb_prefix": f"{AS_DESCRIBED.mongodb}{source}_",
        "postgres_prefix": f"{AS_DESCRIBED.postgres}{source}_",
        "staging_database": f"{AS_DESCRIBED.mongodb}{source}_staging",
    }


DECLARED: Mapping[str, Setting] = {
    field.name: field.type.__metadata__[0]  # type: ignore[union-attr]  # all are Annotated
    for field in fields(Settings)
}
"""Every setting by the name of its field."""
