"""Passwords and keys of the local servers, made once and kept where only their owner reads."""

import json
import secrets
import string
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.stores.private_files import write_private


@dataclass(frozen=True, slots=True)
class Credentials:
    """One generated secret per purpose; none of them prints."""

    postgres_password: str = field(repr=False)
    mongodb_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    s3_encryption_key: str = field(repr=False)
    s3_internal_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> "Credentials":
        """New ones, of letters and digits only, so that they stand in a URL as they are."""
        return cls(
            **{item.name: _random(20 if "access" in item.name else 40) for item in fields(cls)}
        )

    @classmethod
    def of(cls, path: Path) -> "Credentials":
        """Those in the file, which is made (mode 0600) if it is not there; raises BadSettings."""
        if not path.exists():
            write_private(path, json.dumps(asdict(cls.generate()), indent=2))
        try:
            return cls(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise BadSettings(
                [f"{path} does not hold the credentials of the local servers; remove {path.parent}"]
            ) from error


def _random(length: int) -> str:
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(length))
