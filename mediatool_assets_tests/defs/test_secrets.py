"""What a run leaves behind holds none of its credentials: objects, events, logs."""

import gzip
import json
import os
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import dagster as dg
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.local_processes import CREDENTIALS_FILE
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.dagster_day import Day


@pytest.fixture(scope="module")
def secrets(stack: Stack) -> list[bytes]:
    """Every password and key that was generated for the servers."""
    found: dict[str, str] = json.loads((stack.home / CREDENTIALS_FILE).read_text())
    assert len(found) == 6
    return [value.encode() for value in found.values()]


def _leaks(data: bytes, secrets: list[bytes]) -> bool:
    return any(secret in data for secret in secrets)


def _contents(key: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """An object as it is and, of an archive, each file in it."""
    yield key, data
    if key.endswith(".tar.gz"):
        with tarfile.open(fileobj=BytesIO(data)) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                if file is not None:
                    yield f"{key}: {member.name}", file.read()
    elif data.startswith(b"\x1f\x8b"):
        yield f"{key}: unpacked", gzip.decompress(data)


def test_the_search_finds_what_is_there(secrets: list[bytes]) -> None:
    """A password in a file of an archive would be found."""
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("x/manifest.json")
        info.size = len(leak := b"postgresql://root:" + secrets[0] + b"@host/db")
        archive.addfile(info, BytesIO(leak))
    found = [name for name, data in _contents("a.tar.gz", out.getvalue()) if _leaks(data, secrets)]
    assert found == ["a.tar.gz: x/manifest.json"]


def test_no_object_holds_a_credential(day: Day, secrets: list[bytes]) -> None:
    """Archives, each file in them, metadata, registry, reports, the bucket's records."""
    with dg.DagsterInstance.ephemeral() as instance:
        day.defs.resolve_job_def("daily_bucket").execute_in_process(instance=instance)
    objects = S3Objects.of(Settings.parse(os.environ))
    seen, leaking = 0, []
    for info in objects.list(""):
        for name, data in _contents(info.key, objects.get(info.key)[0]):
            seen += 1
            leaking += [name] if _leaks(data, secrets) else []
    assert seen > 20
    assert leaking == []


def test_no_event_of_the_run_holds_a_credential(day: Day, secrets: list[bytes]) -> None:
    """Metadata of assets, checks, logs and tags, as Dagster stores them."""
    entries = day.instance.all_logs(day.result.run_id)
    run = day.instance.get_run_by_id(day.result.run_id)
    assert len(entries) > 50
    texts = [dg.serialize_value(each) for each in (*entries, run)]
    assert not [text for text in texts if _leaks(text.encode(), secrets)]


def test_no_log_holds_a_credential(day: Day, stack: Stack, secrets: list[bytes]) -> None:
    """Of the servers that the run worked with."""
    logs = list(Path(stack.home).rglob("*.log"))
    assert len(logs) >= 3
    assert not [log for log in logs if _leaks(log.read_bytes(), secrets)]


def test_no_failure_holds_a_credential(day: Day, secrets: list[bytes]) -> None:
    """A server that refuses the password is named without it, traceback and all."""
    wrong = os.environ["MEDIATOOL_MONGODB_URL"].replace("@", "x@", 1)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("MEDIATOOL_MONGODB_URL", wrong)
        result = day.defs.resolve_job_def("daily_export").execute_in_process(
            partition_key=day.partition,
            instance=instance,
            asset_selection=[
                key
                for key in day.defs.resolve_asset_graph().get_all_asset_keys()
                if key.path[0] in ("mongodb", "mongodb_database")
            ],
            tags={"mediatool/version": str(day.version)},
            raise_on_error=False,
        )
        assert not result.success
        entries = instance.all_logs(result.run_id)
    assert not [e for e in entries if _leaks(dg.serialize_value(e).encode(), secrets)]
