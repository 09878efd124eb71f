"""Sanitized copies are signed, and whoever reads one compares it with its signature."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mediatool_assets.core.authenticity import SignaturePolicy
from mediatool_assets.core.errors import NotAuthentic
from mediatool_assets.core.signing import SigningKey, TrustedKey
from mediatool_assets.core.version import Version, archive_key, signature_key
from mediatool_assets.sanitize.copies import sanitized_store
from mediatool_assets.sanitize.flow import Sanitizing, sanitize
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets.versions import catalog
from mediatool_assets_tests.fixtures.sanitizing_bench import KEY, NEXT_DAY, RULES, TABLES, Bench
from mediatool_assets_tests.raw_archives import VERSION, raw_archive
from mediatool_assets_tests.twins import DirectoryObjects

SIGNING, OTHER = SigningKey(bytes(range(32))), SigningKey(bytes(range(1, 33)))
TRUST = SignaturePolicy((TrustedKey(SIGNING.public),))
COPY = archive_key("sanitized", VERSION)


def copied(bench: Bench, version: Version = VERSION, key: SigningKey = SIGNING) -> None:
    """Sanitize a version into the bucket, signed."""
    raw_archive(bench.objects, TABLES, version=version)
    rules = bench.scratch / "rules.yaml"
    rules.write_text(RULES)
    source = bench.objects.open(archive_key("raw", version))
    how = Sanitizing(load_rules(rules), KEY, signing_key=key)
    sanitize(source, bench.objects, archive_key("sanitized", version), bench.pool, how)


def replaced(bench: Bench, key: str, by: str) -> None:
    """Put one object in the place of another."""
    data, _ = bench.objects.get(by)
    bench.objects.put(key, data, replacing=bench.objects.get(key)[1])


def of_another_day(bench: Bench) -> None:
    """Another version's copy and signature, each sound."""
    copied(bench, NEXT_DAY)
    other = archive_key("sanitized", NEXT_DAY)
    replaced(bench, signature_key(COPY), signature_key(other))


def originals(bench: Bench) -> None:
    """A signature of something else: a text that no trusted key has signed."""
    data, etag = bench.objects.get(signature_key(COPY))
    bench.objects.put(signature_key(COPY), data.replace(b"sanitized", b"sanitised"), replacing=etag)


def none(bench: Bench) -> None:
    """No signature at all."""
    (bench.objects.root / "objects" / signature_key(COPY)).unlink()


@pytest.mark.parametrize(
    ("forge", "says"),
    [
        (of_another_day, "forged: the copy differs from what key"),
        (originals, "forged: the signature was not made with key"),
        (none, "unsigned: the sanitized copy of .* has no signature.*--allow-unsigned"),
    ],
)
def test_a_copy_without_its_signature_is_refused(
    bench: Bench, forge: Callable[[Bench], None], says: str
) -> None:
    """By whoever restores or queries it; a sound one is read in the place of a raw archive."""
    copied(bench)
    trusting = DirectoryObjects(bench.objects.root, signature_policy=TRUST)
    with sanitized_store(trusting, VERSION) as copy:
        assert catalog.reader(copy, "raw", VERSION).manifest.kind == "sanitized"
    forge(bench)
    with pytest.raises(NotAuthentic, match=says), sanitized_store(trusting, VERSION):
        pass
    with pytest.raises(NotAuthentic, match=says):
        catalog.reader(trusting, "sanitized", VERSION)


def test_an_unsigned_copy_is_read_where_that_is_allowed(bench: Bench) -> None:
    """One from before there were keys; one that an unknown key has signed never."""
    copied(bench, key=OTHER)
    lenient = DirectoryObjects(
        bench.objects.root, signature_policy=replace(TRUST, allow_unsigned=True)
    )
    with pytest.raises(NotAuthentic, match="unknown key"):
        catalog.reader(lenient, "sanitized", VERSION)
    none(bench)
    assert catalog.reader(lenient, "sanitized", VERSION).manifest.kind == "sanitized"
