"""``keys``: pairs, checkpoints and the chain, from a command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mediatool_assets.core.errors import NotAuthentic
from mediatool_assets.core.signing import SigningKey, TrustedKey, trusted_keys
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.query.handles import archive_of
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.complete_versions import USERS, complete, users
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.receiver import receiver
from mediatool_assets_tests.versions.test_chain import add, named

pytestmark = pytest.mark.usefixtures("as_any_other_process")

VERSION = "20250615-020000"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mediatool: Run) -> Path:
    """A folder with a new pair; commands work and write beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIATOOL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "keys"
    assert mediatool("keys", "new", "--output", folder).code == 0
    return folder


def test_a_pair_is_made_once(keys: Path, mediatool: Run) -> None:
    """The secret half for its owner alone, and never replaced."""
    secret = SigningKey.parse((keys / "signing.key").read_text())
    assert (keys / "signing.key").stat().st_mode & 0o777 == 0o600
    assert trusted_keys((keys / "trusted.keys").read_text()) == (TrustedKey(secret.public),)
    again = mediatool("keys", "new", "--output", keys)
    assert again.code == 5
    assert "signing.key already exists" in again.err
    assert secret.reveal() not in again.out + again.err + repr(secret)


def test_a_secret_key_that_others_can_read_is_refused(
    keys: Path, mediatool: Run, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that closes it."""
    use(objects, monkeypatch, MEDIATOOL_SIGNING_KEY=str(keys / "signing.key"))
    (keys / "signing.key").chmod(0o644)
    refused = mediatool("prune", "--dry-run")
    assert refused.code == 2
    assert "chmod 600" in refused.err


def use(objects: S3Objects, monkeypatch: pytest.MonkeyPatch, **names: str) -> None:
    """Have commands use the bucket, and these settings."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    monkeypatch.setenv("MEDIATOOL_S3_ENDPOINT_URL", str(objects.endpoint_url))
    for name, value in names.items():
        monkeypatch.setenv(name, value)


def test_the_chain_is_read_and_compared_with_a_checkpoint(
    keys: Path, mediatool: Run, objects: S3Objects, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A sound chain is exit code 0; a cut one is 3, with what is wrong."""
    use(objects, monkeypatch, MEDIATOOL_TRUSTED_KEYS=str(keys / "trusted.keys"))
    assert mediatool("keys", "checkpoint").out == "0:\n"
    key = SigningKey.parse((keys / "signing.key").read_text())
    add(objects, named(1), key)
    kept = tmp_path / "checkpoint.txt"
    printed = mediatool("keys", "checkpoint", "--output", kept)
    assert printed.out == kept.read_text()
    with receiver() as hook:
        monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", hook.url)
        posted = mediatool("keys", "checkpoint", "--post", "--json")
    assert json.loads(posted.out)["posted"] == {"webhook": "posted"}
    [arrived] = hook.arrived
    assert (arrived["kind"], arrived["severity"]) == ("checkpoint", "information")
    assert arrived["problems"][0]["reason"] == kept.read_text().strip()
    whole = mediatool("keys", "chain", "--since", kept.read_text(), "--json")
    assert (whole.code, json.loads(whole.out)["findings"]) == (0, [])
    longer = f"2:{'0' * 64}"
    cut = mediatool("keys", "chain", "--since", longer)
    assert cut.code == 3
    assert "its end was cut off" in cut.out


RUN_BOOK = Path(__file__).parents[2] / "docs" / "how-to" / "signatures.md"
_BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def test_a_key_is_replaced_by_the_run_book(
    keys: Path, mediatool: Run, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of the page is run: old versions stay trusted, the old key does not."""
    section = RUN_BOOK.read_text().partition("## Replace a key\n")[2].partition("\n## ")[0]
    new, readers, pipeline, chain = (
        block.replace("/etc/mediatool", str(keys)) for block in _BLOCK.findall(section)
    )
    use(objects, monkeypatch, MEDIATOOL_TRUSTED_KEYS=str(keys / "trusted.keys"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    old = SigningKey.parse((keys / "signing.key").read_text())
    add(objects, Version.parse("20261130-020000"), old)
    for commands in (new, readers, pipeline):
        subprocess.run(["bash", "-ec", commands], check=True, capture_output=True)
    assert not Path("next").exists()
    replaced = SigningKey.parse((keys / "signing.key").read_text())
    assert replaced != old
    add(objects, Version.parse("20261201-020000"), replaced)
    read = subprocess.run(["bash", "-ec", chain], check=True, capture_output=True, text=True)
    assert "2 entries: 2 versions, 0 deleted" in read.stdout
    add(objects, Version.parse("20261202-020000"), old)
    late = mediatool("keys", "chain")
    assert late.code == 3
    assert f"key {old.public.id} may not sign versions of 2026-12-02" in late.out


def test_unsigned_versions_are_read_on_request_only(
    keys: Path, mediatool: Run, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With keys to trust, what nobody has signed is exit code 3; the message names the option."""
    complete(objects, VERSION, {USERS: users("Ada", "Bob")})
    query = (
        "sql",
        VERSION,
        "SELECT count(*) AS n FROM users",
        "--format",
        "csv",
        "--output",
        "n.csv",
    )
    use(objects, monkeypatch)
    assert mediatool(*query).code == 0
    assert Path("n.csv").read_text().split() == ["n", "2"]
    use(objects, monkeypatch, MEDIATOOL_TRUSTED_KEYS=str(keys / "trusted.keys"))
    raw = objects.uri(archive_key("raw", Version.parse(VERSION)))
    sides = ("--version1", raw, "--version2", VERSION, "--output", "changes.json")
    for command in (
        query,
        ("fetch", VERSION, "--table", "users"),
        ("history", "users", "1"),
        ("sanitize", "--input", VERSION, "--output", "copy.tar.gz"),
        ("sanitize", "--input", raw, "--suggest"),
        ("compare", *sides),
    ):
        refused = mediatool(*command)
        assert refused.code == 3, refused
        assert "unsigned" in refused.err
        assert "--allow-unsigned" in refused.err
    with pytest.raises(NotAuthentic, match="unsigned"):  # as IO managers and steps read
        archive_of(ServersResource().objects(), "raw", Version.parse(VERSION))
    assert mediatool(*query, "--allow-unsigned").code == 0
    assert mediatool("sanitize", "--input", raw, "--suggest", "--allow-unsigned").code == 0
    fetched = mediatool("fetch", VERSION, "--table", "users", "--allow-unsigned")
    assert Path(fetched.out.strip()).read_text().count("\n") == 2
