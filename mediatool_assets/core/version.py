"""The names of everything that belongs to a version: bucket keys and databases."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from mediatool_assets.domain.version import Version

Kind = Literal["raw", "transformed", "dump", "sanitized"]

Report = Literal["daily-metrics-comparison", "data-integrity-report", "version-comparison"]
"""The reports of each day: JSON, with an HTML page of the same content."""
ReportForm = Literal["json", "html"]
REPORTS: tuple[Report, ...] = get_args(Report)
REPORT_FORMS: tuple[ReportForm, ...] = get_args(ReportForm)

SANITIZED_NAME = "sanitized_"
"""Part of the names of databases of sanitized copies, after the prefix."""


@dataclass(frozen=True, slots=True)
class DatabaseNames:
    """What the names of versions' databases begin with; the defaults are the description's.

    The dump's archive has the name of the MongoDB database. Sanitized copies have databases of
    their own, which never have the name of a version's.
    """

    mongodb: str = "mediatool_"
    postgres: str = "media_tool_"

    def in_mongodb(self, version: Version, *, sanitized: bool = False) -> str:
        """The name of a version's MongoDB database."""
        return f"{_prefix(self.mongodb, sanitized)}{version}"

    def in_postgres(self, version: Version, *, sanitized: bool = False) -> str:
        """The name of a version's restored PostgreSQL database."""
        return f"{_prefix(self.postgres, sanitized)}{version}"


def _prefix(plain: str, sanitized: bool) -> str:
    return f"{plain}{SANITIZED_NAME}" if sanitized else plain


def version_of_database(name: str, prefix: str) -> tuple[Version, bool] | None:
    """The version that a database is named after, and whether it is a sanitized copy's.

    ``prefix`` is that of the kind of database; None if the name is of something else.
    """
    sanitized = name.startswith(f"{prefix}{SANITIZED_NAME}")
    version = Version.of_name(name, _prefix(prefix, sanitized))
    return None if version is None else (version, sanitized)


AS_DESCRIBED = DatabaseNames()
"""The names of the storage description."""

EXPORTS_PREFIX = "postgres-exports/"
RAW_PREFIX = EXPORTS_PREFIX + "raw/"
TRANSFORMED_PREFIX = EXPORTS_PREFIX + "transformed/"
SANITIZED_PREFIX = EXPORTS_PREFIX + "sanitized/"
METADATA_PREFIX = EXPORTS_PREFIX + "metadata/"
"""Holds ``{date}/{version}.json`` and nothing else: people list it with AWS's own command."""
RDS_EXPORTS_PREFIX = EXPORTS_PREFIX + "rds-exports/"
RESTORES_PREFIX = EXPORTS_PREFIX + "restores/"
VERDICTS_PREFIX = EXPORTS_PREFIX + "verdicts/"
CHAIN_PREFIX = EXPORTS_PREFIX + "chain/"
"""The signed entries of versions, by number (``domain/chain.py``)."""
RECORDS_PREFIX = EXPORTS_PREFIX + "bucket/"
"""The daily records of the bucket itself: inventory, costs, posture."""
STAGING_PREFIX = EXPORTS_PREFIX + "staging/"
"""Files that workers on other machines exchange while an archive is made; no reader needs them."""
DUMPS_PREFIX = "mongodb-dumps/"
REPORTS_PREFIX = "comparison-reports/"
LOGS_PREFIX = "dagster-logs/"
"""Where Dagster stores the logs of runs, by its configuration; never below a source's prefix."""

ARCHIVE_PREFIXES: Mapping[str, str] = {
    "raw": RAW_PREFIX,
    "transformed": TRANSFORMED_PREFIX,
    "dump": DUMPS_PREFIX,
    "sanitized": SANITIZED_PREFIX,
}

REGISTRY_NAME = "mongodb-versions.json"
"""The registry of versions: at the top of the bucket, and in each home as a local copy."""
REGISTRY_KEY = REGISTRY_NAME
MARKS_KEY = "version-marks.json"
"""Notes, pins and promotions, which are made after the export; at the top of the bucket too."""


def archive_key(kind: Kind, version: Version, names: DatabaseNames = AS_DESCRIBED) -> str:
    """The bucket key of one of the version's archives; of these only the dump's needs ``names``."""
    name = names.in_mongodb(version) if kind == "dump" else f"{version}-{kind}"
    return f"{archive_prefix(kind, version.partition)}{name}.tar.gz"


def archive_prefix(kind: Kind, partition: str) -> str:
    """The prefix of all archives of one kind and one day."""
    return f"{ARCHIVE_PREFIXES[kind]}{partition}/"


def metadata_key(version: Version) -> str:
    """The bucket key of the metadata file, whose presence makes the version complete."""
    return f"{METADATA_PREFIX}{version.partition}/{version}.json"


def metadata_prefix(partition: str) -> str:
    """The prefix that holds the metadata of every complete version of one day."""
    return f"{METADATA_PREFIX}{partition}/"


def report_key(report: Report, partition: str, suffix: ReportForm = "json") -> str:
    """The bucket key of a day's report, which is about the newest complete version of the day."""
    return f"{REPORTS_PREFIX}{partition}/{report}.{suffix}"


def comparison_key(one: Version, two: Version, suffix: ReportForm = "json") -> str:
    """The bucket key of a comparison on request; it belongs to the day of the later version."""
    return f"{REPORTS_PREFIX}{two.partition}/{one}-{two}.{suffix}"


def beside(key: str, what: str, ending: str) -> str:
    """The key of a file stored beside an archive: a report, or the signature of a copy."""
    stem = key.removesuffix(".gz").removesuffix(".tgz").removesuffix(".tar")
    return f"{stem}-{what}.{ending}"


def signature_key(key: str) -> str:
    """The key of the signature of a sanitized copy."""
    return beside(key, "signature", "json")
