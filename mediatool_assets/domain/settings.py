"""Settings: one frozen value parsed from a mapping, with every problem reported at once."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NewType, TypeVar
from urllib.parse import urlsplit, urlunsplit

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.masking.key import MaskingKey

T = TypeVar("T")

Url = NewType("Url", str)
"""A connection string that may hold a password: print it through ``without_password`` only."""

SHIPPED_MODEL = Path(__file__).parents[1] / "models" / "media_tool.yaml"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the platform is told from outside (contract, section 5).

    ``str`` and ``repr`` show no secret: URLs are left out.
    """

    postgres_url: Url | None = field(default=None, repr=False)
    postgres_schema: str = "media_tool"
    restore_postgres_url: Url | None = field(default=None, repr=False)
    restore_daily: bool = True
    verify_sample: float = 5.0
    verify_days: int = 89
    integrity_sample: float | None = None
    prune_daily: bool = False
    mongodb_url: Url | None = field(default=None, repr=False)
    s3_bucket: str = "media-tool-backups"
    s3_endpoint_url: str | None = None
    s3_kms_key_id: str | None = None
    s3_object_lock_days: int | None = None
    s3_log_bucket: str | None = None
    s3_restore_days: int = 7
    s3_restore_tier: Literal["Expedited", "Standard", "Bulk"] = "Standard"
    rds_instance: str | None = None
    rds_export_role_arn: str | None = None
    rds_kms_key_id: str | None = None
    rds_poll_seconds: int = 30
    rds_empty_tables: frozenset[str] = frozenset()
    masking_key: MaskingKey | None = field(default=None, repr=False)
    masking_rules: Path | None = None
    model: Path = SHIPPED_MODEL
    exclude_tables: frozenset[str] = frozenset()
    workers: int = 2
    dask_scheduler: str | None = None
    scratch: Path | None = None
    home: Path = Path(".mediatool")
    keep_daily: int = 7
    keep_weekly: int = 4
    keep_monthly: int = 3
    keep_yearly: int = 0
    keep_testing_days: int = 7
    keep_sanitized_days: int = 30
    alert_log: bool = False
    alert_webhook_url: Url | None = field(default=None, repr=False)
    alert_sns_topic_arn: str | None = None
    alert_window_hours: int = 6
    dagster_url: Url | None = field(default=None, repr=False)
    new_version_job: str = "reload_staging"
    staging_database: str = "mediatool_staging"

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the ``MEDIATOOL_*`` variables; raises BadSettings with all problems together."""
        read = _Reader(environ)
        kms_key_id = read("S3_KMS_KEY_ID", _word, None)
        settings = cls(
            postgres_url=read("POSTGRES_URL", _url("postgresql", "postgres"), None),
            postgres_schema=read("POSTGRES_SCHEMA", _schemas, "media_tool"),
            restore_postgres_url=read("RESTORE_POSTGRES_URL", _url("postgresql", "postgres"), None),
            restore_daily=read("RESTORE_DAILY", _switch, True),
            verify_sample=read("VERIFY_SAMPLE", _percent, 5.0),
            verify_days=read("VERIFY_DAYS", _days, 89),
            integrity_sample=read("INTEGRITY_SAMPLE", _percent, None),
            prune_daily=read("PRUNE_DAILY", _switch, False),
            mongodb_url=read("MONGODB_URL", _url("mongodb", "mongodb+srv"), None),
            s3_bucket=read("S3_BUCKET", _word, "media-tool-backups"),
            s3_endpoint_url=read("S3_ENDPOINT_URL", _url("http", "https"), None),
            s3_kms_key_id=kms_key_id,
            s3_object_lock_days=read("S3_OBJECT_LOCK_DAYS", _days, None),
            s3_log_bucket=read("S3_LOG_BUCKET", _word, None),
            s3_restore_days=read("S3_RESTORE_DAYS", _number, 7),
            s3_restore_tier=read("S3_RESTORE_TIER", _tier, "Standard"),
            rds_instance=read("RDS_INSTANCE", _word, None),
            rds_export_role_arn=read("RDS_EXPORT_ROLE_ARN", _role, None),
            rds_kms_key_id=read("RDS_KMS_KEY_ID", _word, kms_key_id),
            rds_poll_seconds=read("RDS_POLL_SECONDS", _seconds, 30),
            rds_empty_tables=read("RDS_EMPTY_TABLES", _names, frozenset()),
            masking_key=read("MASKING_KEY", MaskingKey.parse, None),
            masking_rules=read("MASKING_RULES", _file, None),
            model=read("MODEL", _file, SHIPPED_MODEL),
            exclude_tables=read("EXCLUDE_TABLES", _names, frozenset()),
            workers=read("WORKERS", _count, os.cpu_count() or 1),
            dask_scheduler=read("DASK_SCHEDULER", _word, None),
            scratch=read("SCRATCH", _folder, None),
            home=read("HOME", Path, Path(".mediatool")),
            keep_daily=read("KEEP_DAILY", _number, 7),
            keep_weekly=read("KEEP_WEEKLY", _number, 4),
            keep_monthly=read("KEEP_MONTHLY", _number, 3),
            keep_yearly=read("KEEP_YEARLY", _number, 0),
            keep_testing_days=read("KEEP_TESTING_DAYS", _days, 7),
            keep_sanitized_days=read("KEEP_SANITIZED_DAYS", _days, 30),
            alert_log=read("ALERT_LOG", _switch, False),
            alert_webhook_url=read("ALERT_WEBHOOK_URL", _url("https", "http"), None),
            alert_sns_topic_arn=read("ALERT_SNS_TOPIC_ARN", _topic, None),
            alert_window_hours=read("ALERT_WINDOW_HOURS", _hours, 6),
            dagster_url=read("DAGSTER_URL", _url("http", "https"), None),
            new_version_job=read("NEW_VERSION_JOB", _word, "reload_staging"),
            staging_database=read("STAGING_DATABASE", _word, "mediatool_staging"),
        )
        if read.problems:
            raise BadSettings(read.problems)
        return settings

    @property
    def restores_daily(self) -> bool:
        """Whether each version gets its PostgreSQL database in the jobs that make versions."""
        return self.restore_daily and self.restore_postgres_url is not None

    @property
    def exports_snapshots(self) -> bool:
        """Whether all is named that AWS needs to export a snapshot of the RDS instance."""
        return None not in (self.rds_instance, self.rds_export_role_arn, self.rds_kms_key_id)

    def required_masking_key(self) -> MaskingKey:
        """The key of ``MEDIATOOL_MASKING_KEY``; raises BadSettings: no key, no run."""
        if self.masking_key is None:
            problems = ["MEDIATOOL_MASKING_KEY is not set", "`openssl rand -hex 32` makes one"]
            raise BadSettings(problems)
        return self.masking_key

    def require(self, *names: str) -> None:
        """Raise BadSettings naming every one of these fields that is not set."""
        missing = [f"MEDIATOOL_{n.upper()}" for n in names if getattr(self, n) is None]
        if missing:
            raise BadSettings(
                [f"{name} is not set" for name in missing]
                + ["start the local servers with `mediatool up`, or set it"]
            )


def without_password(url: str) -> str:
    """The URL with its passwords replaced, for messages and metadata."""
    url = _PARAMETER.sub(r"\1***", url)
    parts = urlsplit(url)
    if parts.password is None:
        return url
    netloc = parts.netloc.replace(f":{parts.password}@", ":***@", 1)
    return urlunsplit(parts._replace(netloc=netloc))


def without_passwords(text: str) -> str:
    """A message with the passwords of every URL in it replaced."""
    return _PASSWORD.sub(r"\1:***@", _PARAMETER.sub(r"\1***", text))


_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/]*@")
_PARAMETER = re.compile(r"([?&]\w*password=|\bAWS_SESSION_TOKEN:)[^\s&#]*", re.IGNORECASE)
"""What libpq and MongoDB's drivers take as parameters of a URL and keep to themselves."""


class _Reader:
    """Reads variables one by one and keeps the problems for the end."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def __call__(self, name: str, parse: Callable[[str], T], default: T) -> T:
        text = self._environ.get(f"MEDIATOOL_{name}", "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"MEDIATOOL_{name} {error}")
            return default


def _url(*schemes: str) -> Callable[[str], Url]:
    def parse(text: str) -> Url:
        if urlsplit(text).scheme not in schemes:
            raise ValueError(f"is not a {schemes[0]}:// URL")  # the text may hold a password
        return Url(text)

    return parse


def _word(text: str) -> str:
    if any(c.isspace() for c in text):
        raise ValueError(f"holds a space: {text!r}")
    return text


def _schemas(text: str) -> str:
    """One schema, or several with commas between them, each once."""
    names = [name for part in text.split(",") if (name := part.strip())]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"names no schema, or one of them twice: {text!r}")
    return ",".join(map(_word, names))


def _names(text: str) -> frozenset[str]:
    return frozenset(name for part in text.split(",") if (name := part.strip()))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"is not a count of workers: {text!r}")
    return int(text)


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise ValueError(f"is not a percentage above 0, up to 100: {text!r}")
    return percent


def _switch(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise ValueError(f"is neither yes nor no: {text!r}")
    return text.lower() == "yes"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"is not a whole number, 0 or more: {text!r}")
    return int(text)


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"is not a number of days: {text!r}")
    return int(text)


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"is not a number of seconds: {text!r}")
    return int(text)


def _tier(text: str) -> Literal["Expedited", "Standard", "Bulk"]:
    match text.capitalize():
        case "Expedited" | "Standard" | "Bulk" as tier:
            return tier
        case _:
            raise ValueError(f"is not Expedited, Standard or Bulk: {text!r}")


def _role(text: str) -> str:
    if not text.startswith("arn:") or ":role/" not in _word(text):
        raise ValueError(f"is not the ARN of a role: {text!r}")
    return text


def _hours(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"is not a number of hours: {text!r}")
    return int(text)


def _topic(text: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?", text):
        raise ValueError(f"is not the ARN of an SNS topic: {text!r}")
    return text


def _folder(text: str) -> Path:
    if not (path := Path(text)).is_dir():
        raise ValueError(f"names no directory: {text!r}")
    return path


def _file(text: str) -> Path:
    if not (path := Path(text)).is_file():
        raise ValueError(f"names no file: {text!r}")
    return path
