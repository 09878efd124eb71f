"""Amazon RDS as moto plays it, with what moto leaves out: states that pass, and reasons."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.rds import RdsInstance
from mediatool_assets_tests.moto_server import moto_server

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

INSTANCE = "media-tool-production"
ROLE = "arn:aws:iam::123456789012:role/rds-export"
SETTINGS = {
    "MEDIATOOL_RDS_INSTANCE": INSTANCE,
    "MEDIATOOL_RDS_EXPORT_ROLE_ARN": ROLE,
    "MEDIATOOL_RDS_KMS_KEY_ID": "alias/backups",
    "MEDIATOOL_RDS_POLL_SECONDS": "1",
}


@dataclass(frozen=True)
class RdsTwin:
    """One instance, to be looked at and set from inside."""

    client: "RDSClient"

    @property
    def _backend(self) -> Any:
        return _backends()["123456789012"]["us-east-1"]

    def instance(self, **settings: str) -> RdsInstance:
        """The store of it."""
        environ = SETTINGS | settings
        return RdsInstance.of(Settings.parse(environ))

    def snapshots(self) -> list[str]:
        """The names of the manual snapshots; of its own moto leaves an automated one."""
        found = self._backend.database_snapshots
        return [name for name in found if found[name].snapshot_type == "manual"]

    def tasks(self) -> list[str]:
        """The names of all export tasks."""
        return list(self._backend.export_tasks)

    def automated(self, taken: datetime) -> str:
        """Leave an automated snapshot of that time."""
        name = f"rds:{INSTANCE}-{taken:%Y-%m-%d-%H-%M}"
        self._backend.create_auto_snapshot(INSTANCE, name).created = taken
        return name

    def set_snapshot(self, name: str, **changes: object) -> None:
        """Change what is told of a snapshot."""
        _set(self._backend.database_snapshots[name], changes)

    def set_task(self, name: str, **changes: object) -> None:
        """Change what is told of a task."""
        _set(self._backend.export_tasks[name], changes)


def _backends() -> Any:
    """moto's own state; an import that takes more than a second, and few tests use."""
    from moto.rds.models import rds_backends  # noqa: PLC0415  # as above

    return rds_backends


def _set(thing: object, changes: dict[str, object]) -> None:
    for name, value in changes.items():
        setattr(thing, name, value)


@contextmanager
def rds_twin() -> Iterator[RdsTwin]:
    """An account with two instances, where AWS's own variables point to."""
    with pytest.MonkeyPatch.context() as patch, moto_server() as url:
        patch.setenv("AWS_ENDPOINT_URL_RDS", url)
        _backends().reset()
        client = boto3.session.Session().client("rds")  # the default one keeps its credentials
        for name in (INSTANCE, "other"):
            client.create_db_instance(
                DBInstanceIdentifier=name,
                DBInstanceClass="db.t3.micro",
                Engine="postgres",
                MasterUsername="media",
                MasterUserPassword=os.urandom(8).hex(),
                AllocatedStorage=20,
            )
        yield RdsTwin(client)
        client.close()
