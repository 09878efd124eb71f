"""What is sent to a Dask cluster: calls without secrets, which workers fill in from their own."""

import pickle

import pytest

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.work import pickled_call

MONGODB = Url("mongodb://u:of-the-coordinator@h:1/?authSource=admin", "MEDIATOOL_MONGODB_URL")
POSTGRES = Url("postgresql://u:of-the-coordinator@h/a?sslmode=require", "MEDIATOOL_POSTGRES_URL")
KEY = MaskingKey(bytes(range(32)))


def test_no_secret_is_sent() -> None:
    """Neither in a store nor beside it."""
    sent = pickled_call((MongoDocuments(MONGODB), POSTGRES, KEY))
    assert b"of-the-coordinator" not in sent
    assert KEY.secret not in sent


def test_workers_use_their_own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the coordinator's server and database."""
    monkeypatch.setenv("MEDIATOOL_MONGODB_URL", "mongodb://v:own@h:1/?authSource=admin")
    monkeypatch.setenv("MEDIATOOL_POSTGRES_URL", "postgresql://v:own@h/other?sslmode=verify-full")
    monkeypatch.setenv("MEDIATOOL_MASKING_KEY", KEY.secret.hex())
    documents, url, key = pickle.loads(pickled_call((MongoDocuments(MONGODB), POSTGRES, KEY)))  # noqa: S301  # our own bytes
    assert documents.url.reveal() == "mongodb://v:own@h:1/?authSource=admin"
    assert url.reveal() == "postgresql://v:own@h/a?sslmode=verify-full"
    assert key == KEY


@pytest.mark.parametrize(
    ("secret", "own", "says"),
    [
        (POSTGRES, "", "MEDIATOOL_POSTGRES_URL is not set in the environment of a Dask worker"),
        (POSTGRES, "postgresql://v:own@elsewhere/a", "is elsewhere on the Dask worker and h"),
        (KEY, "", "MEDIATOOL_MASKING_KEY is not set in the environment of a Dask worker"),
        (KEY, bytes(range(1, 33)).hex(), "is not the coordinator's"),
    ],
)
def test_a_worker_with_other_settings_does_nothing(
    secret: object, own: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server, another key, or none: the setting is named."""
    for variable in ("MEDIATOOL_POSTGRES_URL", "MEDIATOOL_MASKING_KEY"):
        monkeypatch.setenv(variable, own)
    with pytest.raises(BadSettings, match=says):
        pickle.loads(pickled_call(secret))  # noqa: S301  # our own bytes


def test_a_url_that_no_setting_names_is_not_sent() -> None:
    """Workers could not know it."""
    with pytest.raises(BadSettings, match="Dask workers use only settings"):
        pickled_call(Url("postgresql://u:p@h/d"))
