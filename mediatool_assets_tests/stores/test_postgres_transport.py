"""TLS to servers elsewhere unless somebody chose otherwise; statements that end at last."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mediatool_assets.core.errors import BadSource, Unreachable
from mediatool_assets.core.texts import Url
from mediatool_assets.stores import postgres
from mediatool_assets.stores.postgres import connected, translated, transport

REMOTE = {"host": "db.example.com"}


@pytest.mark.parametrize(
    ("given", "environ", "mode"),
    [
        (REMOTE, {}, "require"),
        ({"host": "10.0.0.7"}, {}, "require"),
        ({"hostaddr": "10.0.0.7"}, {}, "require"),
        ({"host": "localhost,db.example.com"}, {}, "require"),
        ({}, {"PGHOST": "db.example.com"}, "require"),
        (REMOTE | {"sslrootcert": "rds.pem"}, {}, "verify-full"),
        (REMOTE, {"PGSSLROOTCERT": "system"}, "verify-full"),
        (REMOTE | {"sslmode": "disable"}, {}, None),
        (REMOTE | {"sslmode": "verify-ca"}, {}, None),
        (REMOTE, {"PGSSLMODE": "prefer"}, None),
        ({"service": "backups"}, {}, None),
        ({}, {}, None),
        ({"host": "localhost"}, {}, None),
        ({"host": "127.0.0.2"}, {}, None),
        ({"host": "::1"}, {}, None),
        ({"host": "/var/run/postgresql"}, {}, None),
        ({"host": "@abstract"}, {}, None),
    ],
)
def test_transport(given: dict[str, str], environ: dict[str, str], mode: str | None) -> None:
    """Encrypted elsewhere, verified where there is something to verify by, else as was chosen."""
    assert transport(given, {"HOME": "/nowhere"} | environ).get("sslmode") == mode


def test_a_root_certificate_where_libpq_looks(tmp_path: Path) -> None:
    """A certificate at home is verified by, as libpq's users expect."""
    certificate = tmp_path / ".postgresql" / "root.crt"
    certificate.parent.mkdir()
    certificate.touch()
    assert transport(REMOTE, {"HOME": str(tmp_path)}) == {"sslmode": "verify-full"}


def elsewhere(url: str, query: str) -> Url:
    """The real server under a name that is not this machine's."""
    parts = urlsplit(url)
    netloc = f"{parts.username}:{parts.password}@db.example.com:{parts.port}"
    return Url(parts._replace(netloc=netloc, query=f"hostaddr=127.0.0.1{query}").geturl())


def test_a_server_without_tls_is_refused(postgres_database: Url) -> None:
    """Nothing is sent to a server elsewhere that does not encrypt, unless the URL says so."""
    with (
        pytest.raises(Unreachable, match="SSL"),
        connected(elsewhere(postgres_database.reveal(), ""), "1s"),
    ):
        pass
    with connected(elsewhere(postgres_database.reveal(), "&sslmode=disable"), "1s") as session:
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_timeouts(postgres_database: Url) -> None:
    """A session has both, and a statement that takes too long is told of as such."""
    with connected(postgres_database, "7s") as session:
        for name, value in (("lock_timeout", "7s"), ("statement_timeout", "2h")):
            assert session.execute(f"SHOW {name}".encode()).fetchone() == (value,)
        session.execute("SET statement_timeout = '20ms'")
        with (
            pytest.raises(BadSource, match=f"exceeded the limit of {postgres.STATEMENT_TIMEOUT}"),
            translated("here"),
        ):
            session.execute("SELECT pg_sleep(20)")
