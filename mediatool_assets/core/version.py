"""A version: its identity, its day, and the names of everything that belongs to it.

The identity of one export: its UTC time to the second, and the day that it belongs to.

The possible days of versions: from the first day of the settings to today, in UTC.

Notes on a version, stored in its metadata, its marks, the registry and shown in lists.

The names of everything that belongs to a version: bucket keys and databases.

The files inside archives: tables as NDJSON, collections in mongodump's own layout.

An object of the bucket without its content.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha1
from typing import Literal, get_args
from urllib.parse import quote

from mediatool_assets.core.errors import Misuse

_FORMAT = "%Y%m%d-%H%M%S"
_SHAPE = re.compile(r"[0-9]{8}-[0-9]{6}")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The identity of one export, used by its archives, databases, dumps and reports.

    ``str`` and ``parse`` are inverse: ``str(Version.parse("20250621-143000"))``.
    """

    moment: datetime

    def __post_init__(self) -> None:
        """Refuse a time that is not a whole second in UTC."""
        if self.moment.tzinfo is not UTC or self.moment.microsecond:
            raise Misuse(f"a version is a whole second in UTC, not {self.moment!r}")

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read ``YYYYMMDD-HHMMSS``; raises Misuse on anything else."""
        if not _SHAPE.fullmatch(text):
            raise Misuse(f"{text!r} is not a version; write YYYYMMDD-HHMMSS, as 20250621-143000")
        try:
            return cls(datetime.strptime(text, _FORMAT).replace(tzinfo=UTC))
        except ValueError as error:
            raise Misuse(f"{text!r} is not a version: {error}") from error

    @classmethod
    def of_name(cls, name: str, prefix: str, suffix: str = "") -> "Version | None":
        """The version in ``{prefix}{version}{suffix}``; None for any other name."""
        if not (name.startswith(prefix) and name.endswith(suffix)):
            return None
        try:
            return cls.parse(name[len(prefix) : len(name) - len(suffix)])
        except Misuse:
            return None

    @classmethod
    def at(cls, moment: datetime) -> "Version":
        """The version of a time with a time zone, cut to its second."""
        return cls(moment.astimezone(UTC).replace(microsecond=0))

    @property
    def day(self) -> date:
        """The UTC date on which the export was taken: its partition."""
        return self.moment.date()

    @property
    def partition(self) -> str:
        """The partition key, ``YYYY-MM-DD``."""
        return self.day.isoformat()

    def __str__(self) -> str:
        # %Y does not pad a year before 1000 in every C library
        return f"{self.moment.year:04}{self.moment:%m%d-%H%M%S}"


FIRST_DAY = date(2025, 6, 1)
"""The month of the oldest known exports."""


LONGEST = 4096
"""The longest notes, in bytes of UTF-8: every reader of the registry loads all notes."""


def checked_notes(text: str) -> str:
    """The notes unchanged; raises Misuse if they are too long, or not UTF-8."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Misuse("the notes are not UTF-8; encode them as UTF-8") from error
    if size > LONGEST:
        raise Misuse(
            f"the notes have {size:,} bytes, more than {LONGEST:,}; keep the long text elsewhere "
            "and say where in the notes"
        )
    return text


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
"""The signed entries of versions, by number (``core/authenticity.py``)."""
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


_LONGEST = 238  # mongodump's limit: with ".metadata.json.gz" the file name has 255 bytes
_KEPT = 208  # what mongodump keeps of a longer name, before "%24" and 27 characters of hash


def table_member(table: str) -> str:
    """The file of a table's rows: ``{table}.ndjson``.

    Characters that would make a folder, and control characters, are percent-encoded.
    """
    safe = (c if c not in "/\\%" and c.isprintable() else f"%{ord(c):02X}" for c in table)
    return "".join(safe) + ".ndjson"


def bson_member(database: str, collection: str) -> str:
    """The file of the collection's documents, without the version's folder."""
    return f"{database}/{_escaped(collection)}.bson"


def metadata_member(bson: str) -> str:
    """The file of a collection's options and indexes, beside that of its documents."""
    return bson.removesuffix(".bson") + ".metadata.json"


def _escaped(collection: str) -> str:
    """Go's ``url.PathEscape``; a name that is too long is cut, and made unique by its hash."""
    escaped = quote(collection, safe="$&+=:@")
    if len(escaped) <= _LONGEST:
        return escaped
    digest = sha1(collection.encode(), usedforsecurity=False).digest()
    return f"{escaped[:_KEPT]}%24{urlsafe_b64encode(digest).decode().rstrip('=')}"


COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored before they can be read, which takes hours."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object: its size in bytes, entity tag, time of writing and storage class."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str = "STANDARD"

    @property
    def cold(self) -> bool:
        """Whether it is in a cold tier; a restored copy of it may exist."""
        return self.storage_class in COLD
