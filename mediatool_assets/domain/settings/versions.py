"""Settings of what a version contains, and of how it is masked, signed and verified."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.settings import parsers
from mediatool_assets.domain.settings.parsers import Setting
from mediatool_assets.domain.shipped_files import SHIPPED_MODEL
from mediatool_assets.domain.signing import SigningKey, TrustedKey


@dataclass(frozen=True)
class VersionSettings:
    """The model, the tables, masking, signatures and verification."""

    model: Annotated[
        Path,
        Setting(
            parsers.path,
            "The model file ([models.md](models.md)).",
            otherwise="the shipped `media_tool.yaml`",
            exists="file",
        ),
    ] = SHIPPED_MODEL
    exclude_tables: Annotated[
        frozenset[str],
        Setting(
            parsers.names,
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
            parsers.path,
            "Masking rules for sanitized copies and for the values in reports.",
            otherwise="the shipped rules",
            exists="file",
        ),
    ] = None
    signing_key: Annotated[
        SigningKey | Path | None,
        Setting(
            parsers.signing_key,
            "Secret key that versions are signed with, or the path of its file "
            "([signatures](../how-to/signatures.md)).",
            otherwise="versions are not signed",
        ),
    ] = None
    trusted_keys: Annotated[
        tuple[TrustedKey, ...] | Path | None,
        Setting(
            parsers.trusted_keys,
            "Public keys whose versions are trusted, separated by commas, or the path of a file of "
            "them. `ed25519:KEY@2026-01-01..2026-12-31` may sign versions of these days only.",
            otherwise="signatures are not compared",
        ),
    ] = None
    verify_sample: Annotated[
        float,
        Setting(parsers.percent, "Percentage of a version that the daily verification reads."),
    ] = 5.0
    verify_days: Annotated[
        int,
        Setting(
            parsers.whole("days"),
            "How many days back the daily verification reads versions. Older raw archives are "
            "in GLACIER.",
        ),
    ] = 89
    integrity_sample: Annotated[
        float | None,
        Setting(
            parsers.percent,
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
