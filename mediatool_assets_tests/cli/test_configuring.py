"""`mediatool settings`: every value and whence it is."""

import json
from pathlib import Path

import pytest

from mediatool_assets.core.settings import DECLARED
from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")


def test_settings_shows_each_value_with_its_origin(
    mediatool: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No secret is shown, neither a URL's nor a key's."""
    key = bytes(range(32)).hex()
    file = tmp_path / "shop.toml"
    (tmp_path / "key").write_text(key)
    file.write_text(
        'postgres_url = { env = "SHOP" }\nmasking_key = { file = "key" }\nworkers = 2\n'
        '[aws]\nsecret_access_key = { env = "SHOP_KEY" }'
    )
    monkeypatch.setenv("SHOP", "postgresql://me:hidden@db/shop")
    monkeypatch.setenv("SHOP_KEY", "hidden")
    monkeypatch.setenv("MEDIATOOL_WORKERS", "3")
    for options in ([], ["--json"]):
        result = mediatool("--config", str(file), "settings", *options)
        assert result.code == 0, result.err
        assert "hidden" not in result.out
        assert key not in result.out
        for name in ("MEDIATOOL_POSTGRES_URL", "MEDIATOOL_MASKING_KEY", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)  # what the command adopted of the file
    found = {row["setting"]: (row["value"], row["origin"]) for row in json.loads(result.out)}
    assert {*DECLARED} <= {*found}
    assert found["postgres_url"] == ("postgresql://me:***@db/shop", str(file))
    assert found["masking_key"] == ("***", str(file))
    assert found["workers"] == ("3", "environment")
    assert found["prune_daily"] == ("no", "default")
    assert found["aws_secret_access_key"] == ("***", str(file))
