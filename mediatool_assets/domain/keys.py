"""Where everything of a version lies: bucket keys and database names (contract, section 2)."""

from typing import Literal, get_args

from mediatool_assets.domain.version import Version

Kind = Literal["raw", "transformed", "dump", "sanitized"]

Report = Literal["daily-metrics-comparison", "data-integrity-report", "version-comparison"]
"""What is written on each day, as JSON with an HTML twin."""
ReportForm = Literal["json", "html"]
REPORTS: tuple[Report, ...] = get_args(Report)
REPORT_FORMS: tuple[ReportForm, ...] = get_args(ReportForm)

SANITIZED_POSTGRES = "media_tool_sanitized_"
SANITIZED_MONGODB = "mediatool_sanitized_"
"""What the names of databases of sanitized copies begin with: never those of a version itself."""

METADATA_PREFIX = "postgres-exports/metadata/"
REPORTS_PREFIX = "comparison-reports/"
STAGING_PREFIX = "postgres-exports/staging/"
"""What workers of other machines leave for each other while an archive is made; no reader looks."""
REGISTRY_KEY = METADATA_PREFIX + "mongodb-versions.json"


def archive_key(kind: Kind, version: Version) -> str:
    """The bucket key of one of the version's archives."""
    match kind:
        case "dump":
            return f"mongodb-dumps/{version.partition}/{mongodb_database(version)}.tar.gz"
        case _:
            return f"postgres-exports/{kind}/{version.partition}/{version}-{kind}.tar.gz"


def archive_prefix(kind: Literal["raw", "transformed", "sanitized"], partition: str) -> str:
    """The prefix that holds every archive of the kind of one day."""
    return f"postgres-exports/{kind}/{partition}/"


def metadata_key(version: Version) -> str:
    """The bucket key of the metadata file, whose presence makes the version complete."""
    return f"{METADATA_PREFIX}{version.partition}/{version}.json"


def metadata_prefix(partition: str) -> str:
    """The prefix that holds the metadata of every complete version of one day."""
    return f"{METADATA_PREFIX}{partition}/"


def report_key(report: Report, partition: str, suffix: ReportForm = "json") -> str:
    """The bucket key of a day's report; it is of the newest complete version of the day."""
    return f"{REPORTS_PREFIX}{partition}/{report}.{suffix}"


def comparison_key(one: Version, two: Version, suffix: ReportForm = "json") -> str:
    """The bucket key of a comparison that somebody asked for, on the day of the later version."""
    return f"{REPORTS_PREFIX}{two.partition}/{one}-{two}.{suffix}"


def postgres_database(version: Version) -> str:
    """The name of the restored PostgreSQL database of a version."""
    return f"media_tool_{version}"


def mongodb_database(version: Version) -> str:
    """The name of the MongoDB database of a version."""
    return f"mediatool_{version}"


def sanitized_postgres_database(version: Version) -> str:
    """The name of the PostgreSQL database that a version's sanitized copy is restored to."""
    return f"{SANITIZED_POSTGRES}{version}"


def sanitized_mongodb_database(version: Version) -> str:
    """The name of the MongoDB database that a version's sanitized copy is loaded into."""
    return f"{SANITIZED_MONGODB}{version}"
