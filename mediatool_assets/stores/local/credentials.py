"""Passwords and keys of the local servers, generated once and readable only by their owner."""

import json
import secrets
import string
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.stores.private_files import write_private

CREDENTIALS_FILE = "credentials.json"
"""The name of the file in the home of the local servers."""


def password_mismatch(folder: Path) -> BadSettings:
    """The error if a server's data, in its folder of the home, has another password."""
    path = folder.parent / CREDENTIALS_FILE
    return BadSettings(
        [
            f"the password in {path} is not that of the data in {folder}; restore {path}, or "
            f"delete {folder} with all its data"
        ]
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """One generated secret for each purpose; none of them is printed."""

    postgres_password: str = field(repr=False)
    mongodb_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    s3_encryption_key: str = field(repr=False)
    s3_internal_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> "Credentials":
        """New secrets of letters and digits, which need no escaping in a URL."""
        return cls(
            **{item.name: _random(20 if "access" in item.name else 40) for item in fields(cls)}
        )

    @classmethod
    def of(cls, path: Path) -> "Credentials":
        """The secrets in the file, which is created (mode 0600) if missing; raises BadSettings."""
        if not path.exists():
            write_private(path, json.dumps(asdict(cls.generate()), indent=2))
        try:
            return cls(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise BadSettings(
                [
                    f"{path} does not have the credentials of the local servers; restore it, or "
                    f"delete {path.parent} with all its data"
                ]
            ) from error


def _random(length: int) -> str:
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(length))
