"""What names an archive is decided once, for every command that takes one."""

from pathlib import Path

import pytest

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.settings import Settings
from mediatool_assets.versions.arguments import is_file, is_uri, located, settings_for
from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("20250621-143000", "version"),
        ("latest~1", "version"),
        ("2025-06-21", "version"),
        ("there", "file"),
        ("a.tar.gz", "file"),
        ("folder/archive", "file"),
        ("./20250621-143000", "file"),
        ("s3://bucket/a.tar.gz", "uri"),
        ("s3://bucket", "uri"),
    ],
)
def test_kinds(nowhere: Path, given: str, kind: str) -> None:
    """A file need not be there; a version's name is a file's only if there is such a file."""
    (nowhere / "there").touch()
    assert (is_file(given), is_uri(given)) == (kind == "file", kind == "uri")
    if kind == "file":
        settings_for(given)
    else:
        with pytest.raises(BadSettings, match="mediatool up"):
            settings_for("a.tar.gz", given)


@pytest.mark.parametrize(
    ("bucket", "key", "prefix", "rest"),
    [
        ("b", "shop/x.tar.gz", "shop/", "x.tar.gz"),
        ("b", "library/x.tar.gz", "", "library/x.tar.gz"),
        ("c", "shop/x.tar.gz", "", "shop/x.tar.gz"),
        ("c", "", "shop/", ""),
    ],
)
def test_a_uri_has_the_whole_key(bucket: str, key: str, prefix: str, rest: str) -> None:
    """Of a source's own objects the key is taken from its prefix on; others are where they are."""
    own = Settings.parse({"MEDIATOOL_SOURCE": "shop", "MEDIATOOL_S3_BUCKET": "b"})
    objects, found = located(bucket, key, own)
    assert (objects.bucket, objects.access.prefix, found) == (bucket, prefix, rest)
    assert objects.uri(found) == f"s3://{bucket}/{prefix}{rest}"


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "--version1", "no/archive", "--version2", "b.tar.gz", "--output", "c.json"],
        ["sanitize", "--input", "no/archive", "--suggest"],
        ["model", "infer", "--source", "no/archive"],
    ],
)
def test_every_command_decides_alike(mediatool: Run, nowhere: Path, words: list[str]) -> None:
    """A path to no file is one, and no version that is badly written."""
    (nowhere / "b.tar.gz").touch()
    result = mediatool(*words)
    assert (result.code, "no/archive does not exist" in result.err) == (3, True), result.err
