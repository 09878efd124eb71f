"""What every ObjectStore keeps; the suites of S3 and of its twin inherit it."""

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest
from xxhash import xxh3_64_intdigest

from mediatool_assets.archive import compress
from mediatool_assets.archive.writer import BLOCK_BYTES, Spooled, SpooledBlock
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadArchive,
    MediatoolError,
    NotFound,
    Refused,
)
from mediatool_assets.core.manifest import Fingerprint
from mediatool_assets.core.version import STAGING_PREFIX
from mediatool_assets.stores.ports import ObjectStore, Staging
from mediatool_assets.work.scratch import Workspace

PART = 8 << 20
SIZES = [0, 1, PART - 1, PART, PART + 1, 3 * PART + 5]


def content(size: int) -> bytes:
    """Bytes of which no two aligned words are equal, so that a misplaced part shows."""
    return b"".join(i.to_bytes(8, "big") for i in range(size // 8 + 1))[:size]


def staged(store: Staging, size: int) -> Spooled:
    """Blocks of so many random bytes in all, as a worker stages them."""
    data, key = Random(size).randbytes(size), f"of-{size}"
    contents = [data[start : start + BLOCK_BYTES] for start in range(0, size, BLOCK_BYTES)]
    packed = list(map(compress, contents))
    with store.create(key) as sink:
        sink.write(b"".join(packed))
    blocks = tuple(
        SpooledBlock(
            len(block), 1, len(each), hashlib.sha256(each).hexdigest(), xxh3_64_intdigest(block)
        )
        for each, block in zip(contents, packed, strict=True)
    )
    return Spooled(store.open(key), blocks, Fingerprint(len(blocks)))


class ObjectStoreContract:
    """Inherit, and give a fixture ``store`` with an empty ObjectStore."""

    decides_completions = True
    """Whether the server decides between uploads in parts of one key that end at one moment."""

    def test_put_then_read(self, store: ObjectStore) -> None:
        """What was put is there: its bytes, size and tag, under its key."""
        etag = store.put("a/b.json", b"{}")
        info = store.head("a/b.json")
        assert store.get("a/b.json") == (b"{}", etag)
        assert info is not None
        assert (info.key, info.size, info.etag) == ("a/b.json", 2, etag)
        assert info.modified.utcoffset() is not None

    def test_absent(self, store: ObjectStore) -> None:
        """A key that is not there is None to head, and NotFound naming its URI to a reader."""
        assert store.head("gone") is None
        for read in (store.get, store.open):
            with pytest.raises(NotFound, match=store.uri("gone")):
                read("gone")

    def test_tagging(self, store: ObjectStore) -> None:
        """Tags change nothing else of an object; one that is not there has none."""
        store.put("k", b"1")
        before = store.head("k")
        store.tag("k", {"purpose": "testing"})
        assert store.head("k") == before
        assert store.get("k")[0] == b"1"
        with pytest.raises(NotFound, match=store.uri("gone")):
            store.tag("gone", {"purpose": "testing"})

    def test_names_are_written_once(self, store: ObjectStore) -> None:
        """A taken key is refused, and keeps its content."""
        store.put("k", b"first")
        with pytest.raises(AlreadyExists, match=store.uri("k")):
            store.put("k", b"second")
        assert store.get("k")[0] == b"first"

    def test_replacing(self, store: ObjectStore) -> None:
        """An object is replaced only by someone who has seen its newest content."""
        seen = store.put("k", b"1")
        store.put("k", b"2", replacing=seen)
        with pytest.raises(AlreadyExists):
            store.put("k", b"3", replacing=seen)
        with pytest.raises(AlreadyExists):
            store.put("absent", b"3", replacing=seen)
        assert store.get("k")[0] == b"2"
        assert store.head("absent") is None

    @pytest.mark.parametrize("size", SIZES)
    def test_create(self, store: ObjectStore, size: int) -> None:
        """A streamed object is not there before its end, and then holds every byte in its place."""
        data = content(size)
        with store.create("big") as sink:
            for start in range(0, size, 3_000_001):
                sink.write(data[start : start + 3_000_001])
            assert store.head("big") is None
        opened = store.open("big")
        assert opened.size == size
        assert opened.read(0, size) == data

    def test_create_refuses_a_taken_key(self, store: ObjectStore) -> None:
        """Creating over an object is refused before anything is written."""
        store.put("k", b"first")
        with pytest.raises(AlreadyExists, match=store.uri("k")), store.create("k"):
            pytest.fail("the context was entered")

    @pytest.mark.parametrize("size", [1, 2 * PART + 1])
    def test_create_refuses_a_key_taken_meanwhile(self, store: ObjectStore, size: int) -> None:
        """Who comes second loses, however long the upload was, and the first one's object stays."""
        with pytest.raises(AlreadyExists), store.create("k") as sink:
            sink.write(content(size))
            store.put("k", b"first")
        assert store.get("k")[0] == b"first"

    @pytest.mark.parametrize("size", [1, 3 * PART])
    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MediatoolError])
    def test_an_error_leaves_nothing(
        self, store: ObjectStore, size: int, error: type[BaseException]
    ) -> None:
        """A writer that fails leaves no object, its error passes, and the key stays free."""
        with pytest.raises(error, match="ours"), store.create("k") as sink:
            sink.write(content(size))
            raise error("ours")
        assert store.head("k") is None
        store.put("k", b"next")

    def test_a_killed_writer_leaves_nothing(self, store: ObjectStore) -> None:
        """SIGKILL half way leaves no object, and the next writer of that key succeeds."""
        process = multiprocessing.get_context("spawn").Process(target=die_writing, args=(store,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert store.head("k") is None
        assert list(store.list("")) == []
        with store.create("k") as sink:
            sink.write(content(2 * PART))
        assert store.open("k").size == 2 * PART

    def test_ranges(self, store: ObjectStore) -> None:
        """A range is exactly what was asked for; one that is not all there is an error."""
        store.put("k", b"0123456789")
        opened = store.open("k")
        assert (opened.size, opened.name) == (10, store.uri("k"))
        assert [opened.read(0, 10), opened.read(3, 4), opened.read(9, 1)] == [
            b"0123456789",
            b"3456",
            b"9",
        ]
        assert opened.read(10, 0) == opened.read(4, 0) == b""
        for start, length in ((9, 2), (10, 1), (0, 11)):
            with pytest.raises(BadArchive, match=store.uri("k")):
                opened.read(start, length)

    def test_a_replaced_object_is_noticed(self, store: ObjectStore) -> None:
        """A reader never gets one object's beginning and another one's end."""
        etag = store.put("k", b"first")
        opened = store.open("k")
        store.put("k", b"other", replacing=etag)
        with pytest.raises(BadArchive, match="replaced"):
            opened.read(0, 5)

    def test_listing(self, store: ObjectStore) -> None:
        """Keys come in their order, only those under the prefix; folders one level deep."""
        keys = ["p/2/a", "p/1/b", "p/1/a", "p/10/c/d", "q/1/a", "p/top"]
        for key in keys:
            store.put(key, b"x")
        assert [info.key for info in store.list("p/")] == sorted(k for k in keys if k[0] == "p")
        assert [info.key for info in store.list("p/1")] == ["p/1/a", "p/1/b", "p/10/c/d"]
        assert list(store.list("none/")) == []
        assert list(store.folders("p/")) == ["p/1/", "p/10/", "p/2/"]
        assert list(store.folders("none/")) == []

    def test_pickling(self, store: ObjectStore) -> None:
        """The store, and an object opened from it, work on in another process."""
        store.put("k", b"0123456789")
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            assert pool.submit(store.get, "k").result() == store.get("k")
            assert pool.submit(store.open("k").read, 3, 4).result() == b"3456"

    def test_workers_put_an_object_together(self, store: Staging, pool: Workspace) -> None:
        """Written and copied bytes keep their order; a block with another digest is refused."""
        spools = [staged(store, size) for size in (3, PART - 2, 0, PART + 7)]
        with store.assemble("k", pool.executor) as joined:
            joined.write(b"begin")
            for run in (run for spool in spools for run in spool.runs()):
                joined.copy(run)
            joined.write(b"end")
        made, parts = store.open("k"), [each.source.read(0, each.length) for each in spools]
        assert made.read(0, made.size) == b"begin" + b"".join(parts) + b"end"
        with pytest.raises(AlreadyExists), store.assemble("k", pool.executor):
            pass
        [run] = spools[0].runs()
        changed = run._replace(blocks=(run.blocks[0]._replace(digest="0" * 64),))
        with pytest.raises(BadArchive, match="does not have the SHA-256"):  # noqa: SIM117  # in it
            with store.assemble("other", pool.executor) as joined:
                joined.copy(changed)
        assert store.head("other") is None

    def test_what_was_staged_is_removed(self, store: ObjectStore) -> None:
        """Everything below a prefix of the staging area goes; nowhere else does anything."""
        for key in ("a/1", "a/2", "b/1"):
            store.put(f"{STAGING_PREFIX}{key}", b"1")
        assert isinstance(store, Staging)
        store.unstage(f"{STAGING_PREFIX}a/")
        store.unstage(f"{STAGING_PREFIX}a/")
        assert [info.key for info in store.list("")] == [f"{STAGING_PREFIX}b/1"]
        with pytest.raises(Refused, match=STAGING_PREFIX):
            store.unstage("postgres-exports/raw/")

    def test_one_of_many_puts_wins(self, store: ObjectStore) -> None:
        """Of writers of one free key exactly one succeeds, and its content is there."""
        winners = racing(lambda i: store.put("k", b"%d" % i), 8)
        assert len(winners) == 1
        assert store.get("k")[0] == b"%d" % winners[0]

    def test_one_of_many_replacements_wins(self, store: ObjectStore) -> None:
        """Of writers that saw the same content exactly one replaces it."""
        etag = store.put("k", b"old")
        winners = racing(lambda i: store.put("k", b"%d" % i, replacing=etag), 8)
        assert len(winners) == 1
        assert store.get("k")[0] == b"%d" % winners[0]

    @pytest.mark.parametrize("size", [10, PART + 10])
    def test_one_of_many_creates_wins(self, store: ObjectStore, size: int) -> None:
        """Of uploads of one key that end together exactly one succeeds, whole."""

        def create(i: int) -> None:
            with store.create("k") as sink:
                sink.write(b"%d" % i * size)

        winners = racing(create, 4)
        if size < PART or self.decides_completions:
            assert len(winners) == 1
        assert store.open("k").read(0, size) in [b"%d" % winner * size for winner in winners]
        assert racing(create, 2) == []


def racing(work: Callable[[int], object], writers: int) -> list[int]:
    """Start ``work`` at one moment in so many threads; the numbers of those not refused."""
    barrier = Barrier(writers)

    def run(i: int) -> bool:
        barrier.wait()
        try:
            work(i)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        return [i for i, won in enumerate(pool.map(run, range(writers))) if won]


def die_writing(store: ObjectStore) -> None:
    """In a process of its own: be killed in the middle of an upload."""
    with store.create("k") as sink:
        sink.write(content(3 * PART))
        os.kill(os.getpid(), signal.SIGKILL)
