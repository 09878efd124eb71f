"""Spooling: a machine's disk, or the bucket where workers share none with the coordinator."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mediatool_assets.archive.writer import ArchiveWriter, Spooled
from mediatool_assets.core.errors import BadArchive, Unreachable
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.version import archive_key
from mediatool_assets.versions.catalog import publish
from mediatool_assets.work import RemoteExecutor
from mediatool_assets.work.scratch import Spooling, Workspace, spooling
from mediatool_assets_tests.archive.strategies import VERSION
from mediatool_assets_tests.twins import DirectoryObjects

KEY = archive_key("raw", VERSION)


def _same(spooled: Spooled) -> Spooled:
    return spooled


def _lying(spooled: Spooled) -> Spooled:
    (block,) = spooled.blocks
    return replace(spooled, blocks=(block._replace(digest="0" * 64),))


def _write(
    spools: Spooling, writer: ArchiveWriter, changed: Callable[[Spooled], Spooled] = _same
) -> Manifest:
    for name in ("a", "b"):
        spooled = [spools.rows(f"{name}{i}", [[b"row"] * i]) for i in (2, 1)]
        writer.add_rows(f"{name}.ndjson", [changed(each) for each in spooled], table=name)
    return writer.finish()


def test_both_make_the_same_archive(pool: Workspace, tmp_path: Path) -> None:
    """Every byte of it is the same, digests included, and nothing else is left."""
    made = []
    executors: dict[str, Executor] = {
        "here": pool.executor,
        "there": RemoteExecutor(pool.executor),
    }
    for name, executor in executors.items():
        objects = DirectoryObjects(tmp_path / name)
        with spooling(objects, Workspace(executor, tmp_path), "test") as spools:
            publish(objects, "raw", VERSION, partial(_write, spools), executor)
        assert [info.key for info in objects.list("")] == [KEY]
        made.append(objects.get(KEY)[0])
    assert made[0] == made[1]
    assert {path.name for path in tmp_path.iterdir()} == {"here", "there"}


def test_what_is_staged_is_proven_before_it_is_published(pool: Workspace, tmp_path: Path) -> None:
    """By the worker that sends it: a block with another content than its digest is no archive's."""
    objects, workers = DirectoryObjects(tmp_path), RemoteExecutor(pool.executor)
    with (
        spooling(objects, Workspace(workers, tmp_path), "test") as spools,
        pytest.raises(BadArchive, match="does not have the SHA-256 that its worker gave it"),
    ):
        publish(objects, "raw", VERSION, partial(_write, spools, changed=_lying), workers)
    assert list(objects.list("")) == []


def test_a_share_that_is_done_again_meets_no_other(pool: Workspace, tmp_path: Path) -> None:
    """Of one name there may be two: a lost worker's is left where it is, and removed at the end."""
    objects = DirectoryObjects(tmp_path)
    with spooling(objects, Workspace(RemoteExecutor(pool.executor), tmp_path), "test") as spools:
        sources = [spools.keep("0-0", data) for data in (b"lost", b"again")]
        assert [each.read(0, each.size) for each in sources] == [b"lost", b"again"]
    assert list(objects.list("")) == []


class Undeletable(DirectoryObjects):
    """A bucket whose policy lets nobody delete."""

    def unstage(self, prefix: str) -> None:
        """Refuse."""
        raise Unreachable(f"{prefix}: access denied")


def test_what_cannot_be_removed_is_told_of(
    pool: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The archive is there all the same, and the lifecycle rule ends what is left."""
    objects, workers = Undeletable(tmp_path), RemoteExecutor(pool.executor)
    with spooling(objects, Workspace(workers, tmp_path), "test") as spools:
        publish(objects, "raw", VERSION, partial(_write, spools), workers)
    assert objects.head(KEY) is not None
    assert "lifecycle rule" in caplog.text
