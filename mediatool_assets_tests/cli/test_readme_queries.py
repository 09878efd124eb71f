"""The README asks the demo's versions: the program prints what it shows, to the letter."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.complete_versions import publish_metadata
from mediatool_assets_tests.documents import ROOT, blocks
from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")

_SESSION = next(
    block.text
    for block in blocks("console", ROOT / "README.md")
    if block.text.startswith("$ mediatool sql")
)


def _shown() -> Iterator[tuple[list[str], str]]:
    """Each command of the README's session, and what follows it."""
    for part in re.split(r"^\$ ", _SESSION, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield shlex.split(command), output


def test_the_demo_answers_as_the_readme_shows(
    postgres_database: Url,
    objects: S3Objects,
    pool: Workspace,
    mediatool: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The demo's source, day by day, gives the very counts, changes and rows."""
    versions = re.findall(r"^([0-9]{8}-[0-9]{6})  [0-9]", _SESSION, re.MULTILINE)
    for day, version in enumerate(map(Version.parse, versions)):
        seed(postgres_database, scale=0.02, full=True, day=day, schema="media_tool")
        source = PostgresSource(postgres_database, "media_tool")
        export(source, objects, pool, version)
        publish_metadata(objects, version)
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    monkeypatch.setenv("MEDIATOOL_S3_ENDPOINT_URL", str(objects.client.meta.endpoint_url))
    monkeypatch.setenv("MEDIATOOL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for (_, *words), output in _shown():
        result = mediatool(*words)
        shown = output.splitlines()
        assert (result.out.splitlines(), result.err, result.code) == (shown, "", 0)
