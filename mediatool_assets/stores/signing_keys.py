"""Loads the keys of the settings, from the setting itself or from files."""

from pathlib import Path

from mediatool_assets.domain.authenticity import SignaturePolicy
from mediatool_assets.domain.errors import BadSettings, Refused
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.signing import PublicKey, SigningKey, TrustedKey, trusted_keys
from mediatool_assets.stores.private_files import owner_only

SIGNING_KEY, TRUSTED_KEYS = "signing.key", "trusted.keys"
"""The names of the two files of a pair."""


def signing_key(settings: Settings) -> SigningKey | None:
    """The signing key; raises BadSettings if its file cannot be used."""
    given = settings.signing_key
    if not isinstance(given, Path):
        return given
    try:
        if given.stat().st_mode & 0o077:
            raise BadSettings(
                [f"{given} (MEDIATOOL_SIGNING_KEY) can be read by others; `chmod 600 {given}`"]
            )
        return SigningKey.parse(given.read_text())
    except OSError as error:
        raise BadSettings([f"MEDIATOOL_SIGNING_KEY names {given}: {error.strerror}"]) from error
    except ValueError as error:
        raise BadSettings([f"{given} (MEDIATOOL_SIGNING_KEY) {error}"]) from error


def signature_policy(
    settings: Settings, *, allow_unsigned: bool, is_maker: bool
) -> SignaturePolicy:
    """The trusted keys; raises BadSettings if their file cannot be used."""
    return SignaturePolicy(_trusted(settings.trusted_keys), allow_unsigned, is_maker)


def _trusted(given: tuple[TrustedKey, ...] | Path | None) -> tuple[TrustedKey, ...]:
    if not isinstance(given, Path):
        return given or ()
    try:
        return trusted_keys(given.read_text())
    except OSError as error:
        raise BadSettings([f"MEDIATOOL_TRUSTED_KEYS names {given}: {error.strerror}"]) from error
    except ValueError as error:
        raise BadSettings([f"{given} (MEDIATOOL_TRUSTED_KEYS) {error}"]) from error


def write_pair(folder: Path, key: SigningKey) -> PublicKey:
    """Write ``signing.key``, readable only by its owner, and ``trusted.keys``; raises Refused.

    An existing secret key is never replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / SIGNING_KEY
    try:
        with open(secret, "x", opener=owner_only) as file:
            file.write(key.reveal() + "\n")
    except FileExistsError as error:
        raise Refused(f"{secret} already exists; move it, or name another folder") from error
    (folder / TRUSTED_KEYS).write_text(f"{key.public}\n")
    return key.public
