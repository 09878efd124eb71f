"""Clients of S3 and of other AWS services, one of each kind in each process."""

import os
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import botocore.session
from botocore.config import Config

from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.settings.bucket import Addressing


@dataclass(frozen=True, slots=True)
class S3Access:
    """How requests address the server: position of the bucket, trusted TLS authority, prefix.

    All keys are below the prefix: requests name them without it, and so do answers.
    """

    addressing: Addressing | None = None
    ca: Path | None = None
    prefix: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "S3Access":
        """What the settings say."""
        return cls(settings.s3_addressing, settings.s3_ca, settings.s3_prefix)


AS_USUAL = S3Access()

_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


def client(
    endpoint_url: str | None,
    access: S3Access = AS_USUAL,
    service: str = "s3",
    *,
    patient: bool = True,
) -> Any:
    """This process's client: a fork must not share connections. An impatient one tries once.

    It keeps the credentials that the environment had; other credentials make another client.
    """
    owner = (os.getpid(), *map(os.environ.get, _CREDENTIALS))
    return _client(endpoint_url, access, service, patient, owner)


@cache
def _client(
    endpoint_url: str | None,
    access: S3Access,
    service: str,
    patient: bool,
    owner: tuple[object, ...],
) -> Any:
    del owner  # a part of the cache's key
    # servers other than AWS rarely have a host name for each bucket
    usual: Literal["auto", "path"] = "auto" if endpoint_url is None else "path"
    config = Config(
        retries={"mode": "standard", "max_attempts": 4 if patient else 0},
        connect_timeout=10 if patient else 5,
        read_timeout=60 if patient else 15,
        max_pool_connections=16,
        s3={"addressing_style": access.addressing or usual},
    )
    verify = None if access.ca is None else str(access.ca)
    # not boto3's: its clients differ only in file transfers, which take 0.1 s to import
    session = botocore.session.Session()
    made = session.create_client(service, endpoint_url=endpoint_url, config=config, verify=verify)
    if access.prefix:
        events, prefix = made.meta.events, access.prefix
        # Any: botocore's stub lacks the handlers that return something
        add: Any = partial(_with_prefix, prefix)
        events.register("provide-client-params.s3", add)
        events.register_last("after-call.s3", partial(_without_prefix, prefix))
    return made


_LISTS = {"ListMultipartUploads", "ListObjectVersions", "ListObjectsV2"}
_LISTED = {
    "CommonPrefixes": "Prefix",
    "Contents": "Key",
    "DeleteMarkers": "Key",
    "Uploads": "Key",
    "Versions": "Key",
}
"""The parts of the answers to _LISTS, and the name of the key in each. The markers of pages stay
whole: botocore sends them back as they are.
"""


def _with_prefix(prefix: str, params: dict[str, Any], model: Any, **_: object) -> dict[str, Any]:
    """The parameters of a request with whole keys."""
    made = dict(params)
    if "Key" in made:
        made["Key"] = prefix + made["Key"]
    if model.name in _LISTS:
        made["Prefix"] = prefix + made.get("Prefix", "")
    if "Delete" in made:
        whole = [{**each, "Key": prefix + each["Key"]} for each in made["Delete"]["Objects"]]
        made["Delete"] = {**made["Delete"], "Objects": whole}
    return made


def _without_prefix(prefix: str, parsed: dict[str, Any], **_: object) -> None:
    """Cut the prefix off the keys of an answer."""
    for part, name in _LISTED.items():
        for item in parsed.get(part, ()):
            item[name] = item[name].removeprefix(prefix)
