"""Settings of the bucket, and of RDS snapshot exports to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from mediatool_assets.domain.settings import parsers
from mediatool_assets.domain.settings.parsers import Setting

Tier = Literal["Expedited", "Standard", "Bulk"]
Encryption = Literal["none", "AES256", "aws:kms"]
Addressing = Literal["path", "virtual"]

_role = parsers.matching(r"arn:\S*:role/\S*", "the ARN of a role")


@dataclass(frozen=True)
class StorageSettings:
    """The bucket on Amazon S3 or another server, and the RDS instance."""

    s3_bucket: Annotated[str, Setting(parsers.word, "The bucket.")] = "media-tool-backups"
    s3_prefix: Annotated[
        str,
        Setting(
            parsers.key_prefix,
            "What the keys of all objects in the bucket begin with: folders such as `shop/`; `/` "
            "for none.",
            otherwise="none; `NAME/` of a source with a name",
        ),
    ] = ""
    s3_prefixes: Annotated[
        tuple[str, ...],
        Setting(
            parsers.key_prefixes,
            "The `MEDIATOOL_S3_PREFIX`es of all sources in the bucket, separated by commas. "
            "`mediatool bucket` sets the rules of all of them.",
            otherwise="those of the sections with the same bucket; else `MEDIATOOL_S3_PREFIX`",
        ),
    ] = ("",)
    s3_endpoint_url: Annotated[
        str | None,
        Setting(
            parsers.public_url("http", "https"),
            "Endpoint of an S3 server other than Amazon's.",
            otherwise="Amazon S3",
        ),
    ] = None
    s3_addressing: Annotated[
        Addressing | None,
        Setting(
            parsers.choice("path", "virtual"),
            "How requests address the bucket: `path` (`host/bucket`) or `virtual` (`bucket.host`).",
            otherwise="AWS's own choice; `path` with an endpoint",
        ),
    ] = None
    s3_ca: Annotated[
        Path | None,
        Setting(
            parsers.path,
            "PEM file of the certificate authority that signed the S3 server's certificate.",
            otherwise="the public authorities, or `AWS_CA_BUNDLE`",
            exists="file",
        ),
    ] = None
    s3_sse: Annotated[
        Encryption | None,
        Setting(
            parsers.choice("none", "AES256", "aws:kms"),
            "Server-side encryption that every write requests: `AES256`, `aws:kms`, or `none` for "
            "a server that does not support it. With `none`, encrypt the server's disks.",
            otherwise="`AES256`; `aws:kms` if `MEDIATOOL_S3_KMS_KEY_ID` is set",
        ),
    ] = None
    s3_kms_key_id: Annotated[
        str | None,
        Setting(
            parsers.word,
            "KMS key that objects are encrypted with.",
            otherwise="AWS's own key, with `aws:kms`",
        ),
    ] = None
    s3_object_lock_days: Annotated[
        int | None,
        Setting(
            parsers.whole("days"),
            "Default retention of Object Lock ([bucket.md](../how-to/bucket.md)).",
            otherwise="no Object Lock",
        ),
    ] = None
    s3_log_bucket: Annotated[
        str | None,
        Setting(parsers.word, "Bucket for access logs.", otherwise="logging is left as it is"),
    ] = None
    s3_restore_days: Annotated[
        int,
        Setting(
            parsers.whole("days", least=0),
            "How many days a copy restored from GLACIER or DEEP_ARCHIVE is kept. 0: restores "
            "are never requested.",
        ),
    ] = 7
    s3_restore_tier: Annotated[
        Tier,
        Setting(
            parsers.choice("Expedited", "Standard", "Bulk"),
            "Speed of such a restore: `Expedited`, `Standard` or `Bulk`.",
        ),
    ] = "Standard"
    rds_instance: Annotated[
        str | None, Setting(parsers.word, "RDS instance whose snapshots are exported to S3.")
    ] = None
    rds_export_role_arn: Annotated[
        str | None, Setting(_role, "Role that AWS writes these exports with.")
    ] = None
    rds_kms_key_id: Annotated[
        str | None,
        Setting(
            parsers.word, "KMS key of these exports. AWS requires one.", inherits="s3_kms_key_id"
        ),
    ] = None
    rds_poll_seconds: Annotated[
        int, Setting(parsers.whole("seconds"), "Seconds between two status requests to AWS.")
    ] = 30
    rds_empty_tables: Annotated[
        frozenset[str],
        Setting(
            parsers.names,
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
