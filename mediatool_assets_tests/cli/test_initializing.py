"""`mediatool init` writes settings down, keeps secrets out of them, and overwrites nothing."""

import tomllib
from pathlib import Path

import pytest

from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")

OPTIONS = (
    *("--source", "postgresql://me:hidden@127.0.0.1:1/shop", "--schema", "shop"),
    *("--mongodb", "env:SHOP_MONGODB", "--bucket", "shop", "--endpoint", "http://127.0.0.1:1"),
)


def test_what_is_missing_is_named(mediatool: Run, nowhere: Path) -> None:
    """Without a terminal nobody is asked, and nothing is written."""
    result = mediatool("init", "--bucket", "shop")
    assert result.code == 2
    assert "--source, --mongodb: missing" in result.err
    assert list(nowhere.iterdir()) == []


def test_files_are_refused_unless_forced(mediatool: Run, nowhere: Path) -> None:
    """A file that may have been edited stays as it is."""
    (nowhere / "mediatool.toml").write_text("workers = 1\n")
    result = mediatool("init", *OPTIONS)
    assert result.code == 5
    assert "mediatool.toml exists" in result.err
    assert (nowhere / "mediatool.toml").read_text() == "workers = 1\n"


def test_secrets_are_beside_the_file(mediatool: Run, nowhere: Path) -> None:
    """Servers that are away are told of, and the settings are written all the same."""
    (nowhere / "mediatool.toml").write_text("workers = 1\n")
    result = mediatool("init", "--force", *OPTIONS)
    assert result.code == 0
    assert "refers to the variable SHOP_MONGODB, which is not set" in result.err
    assert "no model yet: " in result.err
    written = (nowhere / "mediatool.toml").read_text()
    secret = nowhere / "mediatool.secrets" / "postgres_url"
    assert "hidden" not in written + result.out + result.err
    assert secret.read_text() == "postgresql://me:hidden@127.0.0.1:1/shop\n"
    assert secret.stat().st_mode & 0o077 == 0
    assert 'postgres_url = { file = "mediatool.secrets/postgres_url" }' in written
    assert 'mongodb_url = { env = "SHOP_MONGODB" }' in written
    assert (nowhere / ".mediatool" / "dagster" / "dagster.yaml").is_file()


def test_sources_are_sections_of_one_file(mediatool: Run, nowhere: Path) -> None:
    """What the file has stays; secrets and models are named by the source; none is overwritten."""
    for name in ("shop", "library"):
        result = mediatool("--source", name, "init", *OPTIONS)
        assert result.code == 0, result.err
        assert f"--output {name}.yaml" in result.err
        assert f"next: `mediatool --source {name} check`" in result.out
    written = tomllib.loads((nowhere / "mediatool.toml").read_text())
    assert set(written) == {"first_day", "dagster", "sources"}
    library = written["sources"]["library"]
    assert library["postgres_url"] == {"file": "mediatool.secrets/library-postgres_url"}
    assert {**library, "postgres_url": written["sources"]["shop"]["postgres_url"]} == (
        written["sources"]["shop"]
    )
    again = mediatool("--source", "shop", "init", *OPTIONS)
    assert (again.code, "has a section [sources.shop]" in again.err) == (5, True)
    shown = mediatool("--source", "library", "settings")
    assert "SHOP_MONGODB, which is not set" in shown.err  # of its own section
    (nowhere / "mediatool.toml").write_text('postgres_url = "postgresql://db/x"\n')
    first = mediatool("--source", "shop", "init", *OPTIONS)
    assert (first.code, "has settings of a source without a name" in first.err) == (5, True)
