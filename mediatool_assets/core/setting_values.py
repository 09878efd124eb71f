"""The values of settings: their parsers, those of the bucket, targets and kinds of objects.

How a setting is declared, and the parsers of setting values.

Settings of the bucket, and of RDS snapshot exports to it.

Targets: the databases that a version is copied to, and what makes a version complete.

The kinds of objects that a restore creates, by pg_dump's names, and how an object is named.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mediatool_assets.core.signing import SigningKey, TrustedKey, is_public, is_secret
from mediatool_assets.core.signing import trusted_keys as parse_trusted_keys
from mediatool_assets.core.texts import Url

PREFIX = "MEDIATOOL_"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the annotation of a field declares; the field has the setting's type and default.

    ``parse`` raises ValueError with a message that continues the variable's name. ``otherwise``
    explains an unset variable, if the default does not. ``inherits`` names the field whose value is
    used if the variable is unset. ``exists`` says what kind of file a path must name. ``separator``
    is put between the items of a list in the settings file.
    """

    parse: Callable[[str], object]
    help: str
    otherwise: str | None = None
    inherits: str | None = None
    exists: Literal["file", "directory"] | None = None
    separator: str = ","


def variable(name: str) -> str:
    """The environment variable of a field: ``MEDIATOOL_S3_BUCKET`` for ``s3_bucket``."""
    return PREFIX + name.upper()


def word(text: str) -> str:
    """A text without spaces."""
    if any(c.isspace() for c in text):
        raise ValueError(f"contains a space: {text!r}")
    return text


def words(text: str) -> str:
    """One word, or several different ones separated by commas."""
    names = [name for part in text.split(",") if (name := part.strip())]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"must name one or more different things, separated by commas: {text!r}")
    return ",".join(map(word, names))


def names(text: str) -> frozenset[str]:
    """A set of names, separated by commas."""
    return frozenset(name for part in text.split(",") if (name := part.strip()))


def switch(text: str) -> bool:
    """``yes`` or ``no``."""
    if text.lower() not in ("yes", "no"):
        raise ValueError(f"is neither yes nor no: {text!r}")
    return text.lower() == "yes"


def choice(*words: str) -> Callable[[str], str]:
    """One of these words, in any case."""
    found = {word.lower(): word for word in words}

    def parse(text: str) -> str:
        if text.lower() not in found:
            raise ValueError(f"is not {', '.join(words[:-1])} or {words[-1]}: {text!r}")
        return found[text.lower()]

    return parse


def whole(unit: str, least: int = 1) -> Callable[[str], int]:
    """A whole number of a unit, ``least`` or more."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise ValueError(f"is not a whole number of {unit}, {least} or more: {text!r}")
        return int(text)

    return parse


def day(text: str) -> date:
    """A date in ISO 8601 format."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"is not a date, YYYY-MM-DD: {text!r}") from None


def hour(text: str) -> int:
    """An hour of the day, 0 to 23."""
    if not (text.isascii() and text.isdecimal()) or int(text) > 23:  # of a day
        raise ValueError(f"is not an hour from 0 to 23: {text!r}")
    return int(text)


def time_zone(text: str) -> str:
    """A time zone that this machine knows by name."""
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"is not a time zone such as Europe/Berlin: {text!r}") from None


def percent(text: str) -> float:
    """A percentage above 0, up to 100."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 100:
        raise ValueError(f"is not a percentage above 0, up to 100: {text!r}")
    return number


def matching(pattern: str, what: str) -> Callable[[str], str]:
    """A text that matches the whole pattern."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is not {what}: {text!r}")
        return text

    return parse


def path(text: str) -> Path:
    """A path; stores/environment.py checks that it exists."""
    return Path(text)


def signing_key(text: str) -> SigningKey | Path:
    """A secret key as text, or the path of a file that holds one."""
    return SigningKey.parse(text) if is_secret(text) else Path(text)


def trusted_keys(text: str) -> tuple[TrustedKey, ...] | Path:
    """Public keys, or the path of a file that holds them."""
    return parse_trusted_keys(text) if is_public(text) else Path(text)


SOURCE_NAME = r"[a-z][a-z0-9_]{0,19}"
"""The name of a source: a part of asset keys, object keys and names of databases."""


def key_prefix(text: str) -> str:
    """What keys begin with: folders, without a slash at the beginning; ``/`` for none."""
    if not re.fullmatch(r"/|([A-Za-z0-9][A-Za-z0-9_.-]*/)+", text):
        raise ValueError(f"is not / or folders such as shop/: {text!r}")
    return text.removeprefix("/")


def key_prefixes(text: str) -> tuple[str, ...]:
    """Several of them, separated by commas; none lies below another."""
    found = tuple(sorted({key_prefix(part.strip()) for part in text.split(",")}))
    for one, other in pairwise(each for each in found if each):
        if other.startswith(one):
            raise ValueError(f"has {other}, which is below {one}: {text!r}")
    return found


def secret_url(*schemes: str) -> Callable[[str], Url]:
    """A URL of one of the schemes, which may hold secrets; no error shows it."""

    def parse(text: str) -> Url:
        if text.partition("://")[0].lower() not in schemes:
            raise ValueError(f"is not a {schemes[0]}:// URL")
        return Url(text)

    return parse


def public_url(*schemes: str) -> Callable[[str], str]:
    """A URL of one of the schemes that is not secret: without user and parameters."""

    def parse(text: str) -> str:
        url = secret_url(*schemes)(text)
        if url.has_login:
            raise ValueError(
                "contains a user or a password, but the URL is not secret; leave them out"
            )
        if "?" in text or "#" in text:
            raise ValueError("has parameters after ? or #; leave them out")
        return text

    return parse


Tier = Literal["Expedited", "Standard", "Bulk"]
Encryption = Literal["none", "AES256", "aws:kms"]
Addressing = Literal["path", "virtual"]

_role = matching(r"arn:\S*:role/\S*", "the ARN of a role")


@dataclass(frozen=True)
class StorageSettings:
    """The bucket on Amazon S3 or another server, and the RDS instance."""

    s3_bucket: Annotated[str, Setting(word, "The bucket.")] = "media-tool-backups"
    s3_prefix: Annotated[
        str,
        Setting(
            key_prefix,
            "What the keys of all objects in the bucket begin with: folders such as `shop/`; `/` "
            "for none.",
            otherwise="none; `NAME/` of a source with a name",
        ),
    ] = ""
    s3_prefixes: Annotated[
        tuple[str, ...],
        Setting(
            key_prefixes,
            "The `MEDIATOOL_S3_PREFIX`es of all sources in the bucket, separated by commas. "
            "`mediatool bucket` sets the rules of all of them.",
            otherwise="those of the sections with the same bucket; else `MEDIATOOL_S3_PREFIX`",
        ),
    ] = ("",)
    s3_endpoint_url: Annotated[
        str | None,
        Setting(
            public_url("http", "https"),
            "Endpoint of an S3 server other than Amazon's.",
            otherwise="Amazon S3",
        ),
    ] = None
    s3_addressing: Annotated[
        Addressing | None,
        Setting(
            choice("path", "virtual"),
            "How requests address the bucket: `path` (`host/bucket`) or `virtual` (`bucket.host`).",
            otherwise="AWS's own choice; `path` with an endpoint",
        ),
    ] = None
    s3_ca: Annotated[
        Path | None,
        Setting(
            path,
            "PEM file of the certificate authority that signed the S3 server's certificate.",
            otherwise="the public authorities, or `AWS_CA_BUNDLE`",
            exists="file",
        ),
    ] = None
    s3_sse: Annotated[
        Encryption | None,
        Setting(
            choice("none", "AES256", "aws:kms"),
            "Server-side encryption that every write requests: `AES256`, `aws:kms`, or `none` for "
            "a server that does not support it. With `none`, encrypt the server's disks.",
            otherwise="`AES256`; `aws:kms` if `MEDIATOOL_S3_KMS_KEY_ID` is set",
        ),
    ] = None
    s3_kms_key_id: Annotated[
        str | None,
        Setting(
            word,
            "KMS key that objects are encrypted with.",
            otherwise="AWS's own key, with `aws:kms`",
        ),
    ] = None
    s3_object_lock_days: Annotated[
        int | None,
        Setting(
            whole("days"),
            "Default retention of Object Lock ([bucket.md](../how-to/bucket.md)).",
            otherwise="no Object Lock",
        ),
    ] = None
    s3_log_bucket: Annotated[
        str | None,
        Setting(word, "Bucket for access logs.", otherwise="logging is left as it is"),
    ] = None
    s3_restore_days: Annotated[
        int,
        Setting(
            whole("days", least=0),
            "How many days a copy restored from GLACIER or DEEP_ARCHIVE is kept. 0: restores "
            "are never requested.",
        ),
    ] = 7
    s3_restore_tier: Annotated[
        Tier,
        Setting(
            choice("Expedited", "Standard", "Bulk"),
            "Speed of such a restore: `Expedited`, `Standard` or `Bulk`.",
        ),
    ] = "Standard"
    rds_instance: Annotated[
        str | None, Setting(word, "RDS instance whose snapshots are exported to S3.")
    ] = None
    rds_export_role_arn: Annotated[
        str | None, Setting(_role, "Role that AWS writes these exports with.")
    ] = None
    rds_kms_key_id: Annotated[
        str | None,
        Setting(word, "KMS key of these exports. AWS requires one.", inherits="s3_kms_key_id"),
    ] = None
    rds_poll_seconds: Annotated[
        int, Setting(whole("seconds"), "Seconds between two status requests to AWS.")
    ] = 30
    rds_empty_tables: Annotated[
        frozenset[str],
        Setting(
            names,
            "Tables that may be empty in an RDS export, separated by commas "
            "([RDS](../how-to/rds-snapshot-export.md)).",
        ),
    ] = frozenset()

    def bucket_problems(self) -> Iterator[str]:
        """What is wrong between the settings of the bucket."""
        if self.s3_prefix not in self.s3_prefixes:
            yield (
                f"MEDIATOOL_S3_PREFIXES does not have {self.s3_prefix or '/'}, which is "
                "MEDIATOOL_S3_PREFIX: name the prefixes of all sources in the bucket"
            )
        if self.s3_kms_key_id is not None and self.s3_sse in ("none", "AES256"):
            yield (
                f"MEDIATOOL_S3_SSE is {self.s3_sse}, and MEDIATOOL_S3_KMS_KEY_ID names a key: "
                "write aws:kms, or leave the key out"
            )

    @property
    def can_export_rds_snapshots(self) -> bool:
        """Whether all is named that AWS needs to export a snapshot of the RDS instance."""
        return None not in (self.rds_instance, self.rds_export_role_arn, self.rds_kms_key_id)


Target = Literal["mongodb", "postgres"]
TARGETS: tuple[Target, ...] = get_args(Target)
NONE = "none"

VersionArchive = Literal["raw", "transformed", "dump"]
"""The archives that a version may have."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The databases of a version beside its archives on S3.

    A version is complete with its raw archive, its transformed archive and its metadata, which
    names what else it has. With ``mongodb`` these are its MongoDB database and the dump of it; with
    ``postgres`` its restored PostgreSQL database, or the reason why the restore made none.
    ``str`` and ``parse`` are inverse.
    """

    mongodb: bool = True
    postgres: bool = False

    @classmethod
    def parse(cls, text: str) -> "Targets":
        """Read ``mongodb``, ``postgres``, both with a comma, or ``none``; raises ValueError."""
        words = [word for part in text.split(",") if (word := part.strip().lower())]
        if words == [NONE]:
            return cls(mongodb=False, postgres=False)
        if not words or len({*words}) < len(words) or not set(words) <= set(TARGETS):
            raise ValueError(
                f"must be `mongodb`, `postgres`, `mongodb,postgres` or `{NONE}`, not {text!r}"
            )
        return cls(mongodb="mongodb" in words, postgres="postgres" in words)

    def __str__(self) -> str:
        return ", ".join(name for name in TARGETS if getattr(self, name)) or NONE

    @property
    def any(self) -> bool:
        """Whether there is any database."""
        return self.mongodb or self.postgres

    @property
    def archives(self) -> tuple[VersionArchive, ...]:
        """The archives of a complete version, in the order in which they are made."""
        return ("raw", "transformed", "dump") if self.mongodb else ("raw", "transformed")

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings without which no version can be made."""
        return (
            *(("mongodb_url",) if self.mongodb else ()),
            *(("restore_postgres_url",) if self.postgres else ()),
        )


DEFAULT = Targets()
"""Where nothing is set: MongoDB alone."""


MADE_BY = {
    "SCHEMA": "CreateSchemaStmt",
    "EXTENSION": "CreateExtensionStmt",
    "COMMENT": "CommentStmt",
    "TABLE": "CreateStmt AlterTableStmt",
    "TABLE ATTACH": "AlterTableStmt",
    "ROW SECURITY": "AlterTableStmt",
    "VIEW": "ViewStmt AlterTableStmt",
    "MATERIALIZED VIEW": "CreateTableAsStmt AlterTableStmt AlterObjectDependsStmt",
    "SEQUENCE": "CreateSeqStmt AlterSeqStmt AlterTableStmt",
    "SEQUENCE OWNED BY": "AlterSeqStmt",
    "DEFAULT": "AlterTableStmt",
    "TYPE": "CompositeTypeStmt CreateEnumStmt CreateRangeStmt AlterTableStmt DefineStmt",
    "SHELL TYPE": "DefineStmt",
    "DOMAIN": "CreateDomainStmt AlterDomainStmt",
    "FUNCTION": "CreateFunctionStmt AlterObjectDependsStmt",
    "PROCEDURE": "CreateFunctionStmt AlterObjectDependsStmt",
    "AGGREGATE": "DefineStmt",
    "OPERATOR": "DefineStmt",
    "OPERATOR CLASS": "CreateOpClassStmt",
    "OPERATOR FAMILY": "CreateOpFamilyStmt AlterOpFamilyStmt",
    "COLLATION": "DefineStmt",
    "CONVERSION": "CreateConversionStmt",
    "TEXT SEARCH PARSER": "DefineStmt",
    "TEXT SEARCH TEMPLATE": "DefineStmt",
    "TEXT SEARCH DICTIONARY": "DefineStmt",
    "TEXT SEARCH CONFIGURATION": "DefineStmt AlterTSConfigurationStmt",
    "CONSTRAINT": "AlterTableStmt",
    "CHECK CONSTRAINT": "AlterTableStmt AlterDomainStmt",
    "FK CONSTRAINT": "AlterTableStmt",
    "INDEX": "IndexStmt AlterTableStmt AlterObjectDependsStmt",
    "INDEX ATTACH": "AlterTableStmt",
    "STATISTICS": "CreateStatsStmt AlterStatsStmt",
    "RULE": "RuleStmt ViewStmt AlterTableStmt",
    "TRIGGER": "CreateTrigStmt AlterTableStmt AlterObjectDependsStmt",
}
"""The statements, by their nodes' names, that pg_dump makes an object of each kind of."""

ROWS_OF_VIEW = "MATERIALIZED VIEW DATA"
"""A materialized view that is made and not filled, in pg_dump's words."""


BY_SETTING = "MEDIATOOL_RESTORE_SKIP names it"
BY_OPTION = "--skip names it"

OF_CODE = dict.fromkeys(
    (
        "FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY",
        "TRIGGER", "RULE", "VIEW", "MATERIALIZED VIEW",
    ),
    "--untrusted leaves out code",
)  # fmt: skip
"""The kinds of objects that run something, with the reason why they can be left out."""


def leave_out(name: str) -> str:
    """The next step where an object cannot be restored, and in no version."""
    return (
        "other versions with it fail too: correct it in the source, or leave it out with "
        f"--skip '{name}' (MEDIATOOL_RESTORE_SKIP for the daily restore)"
    )


def by_setting(names: Iterable[str]) -> dict[str, str]:
    """Objects that the setting names, each with that as the reason why it is left out."""
    return dict.fromkeys(names, BY_SETTING)


def object_name(text: str) -> str:
    """``view  totals`` as ``VIEW totals``; raises ValueError with the rest of a sentence."""
    words = text.split()
    kinds = [kind.split() for kind in (*MADE_BY, ROWS_OF_VIEW)]
    found = [kind for kind in kinds if [w.upper() for w in words[: len(kind)]] == kind]
    kind = max(found, key=len, default=[])
    if not kind or len(words) == len(kind):
        raise ValueError(f"must be a kind and a name, such as VIEW totals, not {text!r}")
    return " ".join([*kind, text.split(None, len(kind))[-1].strip()])


def object_names(text: str) -> tuple[str, ...]:
    """Several of them with semicolons between them."""
    return tuple(object_name(part) for part in text.split(";") if part.strip())
