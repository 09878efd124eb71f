"""Every JSON document of the bucket is read by one decoder, which names what is wrong with it."""

import subprocess
import sys
from collections.abc import Callable

import msgspec
import pytest

from mediatool_assets.bucket.cost_report import Costs
from mediatool_assets.bucket.rules import PostureRecord
from mediatool_assets.core.authenticity import Verdict
from mediatool_assets.core.comparison import Comparison
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.metadata import Marks, Metadata, RestoreRecord, registry_from_json
from mediatool_assets.core.metrics import DailyMetrics
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.signing import Signed
from mediatool_assets.core.texts import decoded, pretty
from mediatool_assets.integrity.plan import Integrity
from mediatool_assets.sanitize.report import Report

DECODERS: list[Callable[[bytes], object]] = [
    Comparison.from_json,
    Costs.from_json,
    Integrity.from_json,
    Manifest.from_json,
    Marks.from_json,
    Metadata.from_json,
    DailyMetrics.from_json,
    PostureRecord.from_json,
    Report.from_json,
    RestoreRecord.from_json,
    Schema.from_json,
    Signed.from_json,
    Verdict.from_json,
    registry_from_json,
]


@pytest.mark.parametrize("decode", DECODERS, ids=lambda decode: decode.__qualname__)
@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff",
        b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["empty", "not UTF-8", "deep"],
)
def test_damage_is_an_error_of_the_document(
    decode: Callable[[bytes], object], damage: bytes
) -> None:
    """Not one of Python: callers translate this one, and name the object."""
    with pytest.raises(msgspec.MsgspecError):
        decode(damage)


def test_what_is_written_is_read() -> None:
    """On several lines, with a newline at the end."""
    text = pretty({"a": [1]})
    assert text == b'{\n  "a": [\n    1\n  ]\n}\n'
    assert decoded(text, dict[str, list[int]]) == {"a": [1]}


def test_a_document_of_one_line() -> None:
    """``INDENT = 0``: a line with its end, which is read again."""
    signed = Signed("{}", "key", "signature")
    assert signed.to_json() == b'{"statement":"{}","key":"key","signature":"signature"}\n'
    assert Signed.from_json(signed.to_json()) == signed


_AT_ONCE = """
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec

from mediatool_assets.core.texts import decoded

sys.setswitchinterval(1e-6)
barrier = threading.Barrier(8)

def first(kind):
    barrier.wait()
    return decoded(b'{"one": {"a": 1, "b": ["x"]}, "more": {"y": {"a": 2, "b": []}}}', kind)

with ThreadPoolExecutor(8) as threads:
    for _ in range(150):
        inner = msgspec.defstruct("Inner", [("a", int), ("b", tuple[str, ...])])
        outer = msgspec.defstruct("Outer", [("one", inner), ("more", dict[str, inner])])
        found = list(threads.map(first, [outer] * 8))
        assert all(each == found[0] for each in found)
"""


def test_threads_may_decode_a_type_first_at_once() -> None:
    """msgspec prepares a type when it is first used; `versions` crashed there with 16 threads."""
    done = subprocess.run([sys.executable, "-c", _AT_ONCE], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
