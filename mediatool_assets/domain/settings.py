"""Settings: one frozen value parsed from a mapping, with every problem reported at once."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NewType, TypeVar
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
    mongodb_url: Url | None = field(default=None, repr=False)
    s3_bucket: str = "media-tool-backups"
    s3_endpoint_url: str | None = None
    s3_kms_key_id: str | None = None
    s3_object_lock_days: int | None = None
    s3_log_bucket: str | None = None
    rds_instance: str | None = None
    masking_key: MaskingKey | None = field(default=None, repr=False)
    model: Path = SHIPPED_MODEL
    exclude_tables: frozenset[str] = frozenset()
    workers: int = 2
    home: Path = Path(".mediatool")
    keep_daily: int = 7
    keep_weekly: int = 4
    keep_monthly: int = 3
    keep_yearly: int = 0
    keep_testing_days: int = 7
    keep_sanitized_days: int = 30

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the ``MEDIATOOL_*`` variables; raises BadSettings with all problems together."""
        read = _Reader(environ)
        settings = cls(
            postgres_url=read("POSTGRES_URL", _url("postgresql", "postgres"), None),
            postgres_schema=read("POSTGRES_SCHEMA", _word, "media_tool"),
            restore_postgres_url=read("RESTORE_POSTGRES_URL", _url("postgresql", "postgres"), None),
            mongodb_url=read("MONGODB_URL", _url("mongodb", "mongodb+srv"), None),
            s3_bucket=read("S3_BUCKET", _word, "media-tool-backups"),
            s3_endpoint_url=read("S3_ENDPOINT_URL", _url("http", "https"), None),
            s3_kms_key_id=read("S3_KMS_KEY_ID", _word, None),
            s3_object_lock_days=read("S3_OBJECT_LOCK_DAYS", _days, None),
            s3_log_bucket=read("S3_LOG_BUCKET", _word, None),
            rds_instance=read("RDS_INSTANCE", _word, None),
            masking_key=read("MASKING_KEY", MaskingKey.parse, None),
            model=read("MODEL", _file, SHIPPED_MODEL),
            exclude_tables=read("EXCLUDE_TABLES", _names, frozenset()),
            workers=read("WORKERS", _count, os.cpu_count() or 1),
            home=read("HOME", Path, Path(".mediatool")),
            keep_daily=read("KEEP_DAILY", _number, 7),
            keep_weekly=read("KEEP_WEEKLY", _number, 4),
            keep_monthly=read("KEEP_MONTHLY", _number, 3),
            keep_yearly=read("KEEP_YEARLY", _number, 0),
            keep_testing_days=read("KEEP_TESTING_DAYS", _days, 7),
            keep_sanitized_days=read("KEEP_SANITIZED_DAYS", _days, 30),
        )
        if read.problems:
            raise BadSettings(read.problems)
        return settings

    def require(self, *names: str) -> None:
        """Raise BadSettings naming every one of these fields that is not set."""
        missing = [f"MEDIATOOL_{n.upper()}" for n in names if getattr(self, n) is None]
        if missing:
            raise BadSettings(
                [f"{name} is not set" for name in missing]
                + ["start the local servers with `mediatool up`, or set it"]
            )


def without_password(url: str) -> str:
    """The URL with its password replaced, for messages and metadata."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    netloc = parts.netloc.replace(f":{parts.password}@", ":***@", 1)
    return urlunsplit(parts._replace(netloc=netloc))


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


def _names(text: str) -> frozenset[str]:
    return frozenset(name for part in text.split(",") if (name := part.strip()))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"is not a count of workers: {text!r}")
    return int(text)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"is not a whole number, 0 or more: {text!r}")
    return int(text)


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"is not a number of days: {text!r}")
    return int(text)


def _file(text: str) -> Path:
    if not (path := Path(text)).is_file():
        raise ValueError(f"names no file: {text!r}")
    return path
