"""Settings: read from a mapping, wrong ones all named at once, secrets never shown."""

import re
from dataclasses import Field, fields
from pathlib import Path

import pytest

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.settings import DaskCluster, Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import DatabaseNames

SECRET = "p@ss:w/rd"
POSTGRES = "postgresql://me:p%40ss@db:5432/source"
MONGODB = "mongodb://me:hidden@db:27017/?authSource=admin"


HOOK = "https://hooks.slack.com/services/T0/B0/very-secret"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"


def test_an_empty_environment() -> None:
    """With nothing set there are defaults, and no server."""
    settings = Settings.parse({})
    assert (settings.postgres_url, settings.mongodb_url, settings.s3_endpoint_url) == (None,) * 3
    assert settings.s3_bucket == "media-tool-backups"
    assert settings.postgres_schema == "media_tool"
    assert settings.home == Path(".mediatool")
    assert settings.workers >= 1


def test_every_variable(tmp_path: Path) -> None:
    """Each variable sets its field; spaces around it do not count."""
    model = tmp_path / "model.yaml"
    model.touch()
    environ = {
        "POSTGRES_URL": POSTGRES,
        "POSTGRES_SCHEMA": "s",
        "POSTGRES_PRIMARY_URL": POSTGRES,
        "POSTGRES_MAX_LAG_SECONDS": "0",
        "RESTORE_POSTGRES_URL": POSTGRES,
        "RESTORE_SKIP": "view a; function f(integer, text) ;",
        "MONGODB_URL": f" {MONGODB} ",
        "S3_BUCKET": "b",
        "S3_ENDPOINT_URL": "http://h:1",
        "S3_ADDRESSING": "virtual",
        "S3_CA": str(model),
        "S3_SSE": "aws:KMS",
        "S3_KMS_KEY_ID": "k",
        "FIRST_DAY": "2026-11-01",
        "SCHEDULE_HOUR": "23",
        "SCHEDULE_TIME_ZONE": "Europe/Berlin",
        "CONFIG": str(model),
        "S3_OBJECT_LOCK_DAYS": "30",
        "S3_LOG_BUCKET": "logs",
        "S3_RESTORE_DAYS": "3",
        "S3_RESTORE_TIER": "bulk",
        "RDS_INSTANCE": "i",
        "RDS_EXPORT_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
        "RDS_KMS_KEY_ID": "l",
        "RDS_POLL_SECONDS": "5",
        "RDS_EMPTY_TABLES": "teams",
        "MASKING_KEY": bytes(range(32)).hex(),
        "MODEL": str(model),
        "EXCLUDE_TABLES": "a, b,,c ",
        "WORKERS": "7",
        "KEEP_DAILY": "0",
        "KEEP_WEEKLY": "1",
        "KEEP_MONTHLY": "2",
        "KEEP_YEARLY": "3",
        "KEEP_TESTING_DAYS": "4",
        "KEEP_SANITIZED_DAYS": "5",
        "CACHE_BYTES": "1",
        "HOME": str(tmp_path),
        "TARGETS": "none",
        "SOURCE": "shop",
        "S3_PREFIX": "a/b/",
        "S3_PREFIXES": "c/,a/b/",
        "MONGODB_PREFIX": "docs_",
        "POSTGRES_PREFIX": "rows_",
        "RESTORE_EXTENSIONS": "hstore",
        "VERIFY_SAMPLE": "7",
        "VERIFY_DAYS": "9",
        "INTEGRITY_SAMPLE": "11",
        "PRUNE_DAILY": "yes",
        "MASKING_RULES": str(model),
        "DASK_SCHEDULER": "tls://h:8786",
        "DASK_CA": "ca",
        "DASK_CERT": "cert",
        "DASK_KEY": "key",
        "DASK_INSECURE": "yes",
        "SCRATCH": str(tmp_path),
        "SIGNING_KEY": "signing.key",
        "TRUSTED_KEYS": "trusted.keys",
        "ALERT_LOG": "yes",
        "ALERT_WEBHOOK_URL": HOOK,
        "ALERT_SNS_TOPIC_ARN": TOPIC,
        "ALERT_WINDOW_HOURS": "1",
        "DAGSTER_URL": "http://h:3000",
        "NEW_VERSION_JOB": "j",
        "STAGING_DATABASE": "d",
        "NATIVE": "no",
    }
    settings = Settings.parse({f"MEDIATOOL_{name}": text for name, text in environ.items()})
    assert settings.mongodb_url == Url(MONGODB)
    assert settings.exclude_tables == {"a", "b", "c"}
    assert settings.restore_skip == ("VIEW a", "FUNCTION f(integer, text)")
    assert (settings.workers, settings.home, settings.model) == (7, tmp_path, model)
    default = Settings.parse({})
    same = [
        f.name for f in fields(Settings) if getattr(settings, f.name) == getattr(default, f.name)
    ]
    assert same == []


def test_a_source_with_a_name_has_names_of_its_own() -> None:
    """What is set is kept; the local registry is in a folder of the source's."""
    own = {"MEDIATOOL_SOURCE": "shop", "MEDIATOOL_HOME": "h"}
    found = Settings.parse(own)
    assert (found.s3_prefix, found.s3_prefixes) == ("shop/", ("shop/",))
    assert found.database_names == DatabaseNames("mediatool_shop_", "media_tool_shop_")
    assert found.staging_database == "mediatool_shop_staging"
    assert found.local_registry == Path("h/sources/shop/mongodb-versions.json")
    root = Settings.parse(own | {"MEDIATOOL_S3_PREFIX": "/"})
    assert (root.s3_prefix, root.s3_prefixes) == ("", ("",))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("SOURCE", "Shop", "SOURCE is not a name of up to 20"),
        ("SOURCE", "s" * 21, "SOURCE is not a name of up to 20"),
        ("S3_PREFIX", "shop", "S3_PREFIX is not / or folders such as shop/"),
        ("S3_PREFIX", "../", "S3_PREFIX is not / or folders such as shop/"),
        ("S3_PREFIXES", "a/,a/b/,c/", "S3_PREFIXES has a/b/, which is below a/"),
        ("S3_PREFIXES", "a/,b/", "S3_PREFIXES does not have /, which is MEDIATOOL_S3_PREFIX"),
    ],
)
def test_prefixes_that_could_meet_are_refused(name: str, text: str, says: str) -> None:
    """One problem, one line."""
    with pytest.raises(BadSettings, match=re.escape(f"MEDIATOOL_{says}")):
        Settings.parse({f"MEDIATOOL_{name}": text})


def test_all_problems_at_once() -> None:
    """Every wrong variable is named in one error, and no value that may be secret is shown."""
    environ = {
        "MEDIATOOL_POSTGRES_URL": f"mysql://me:{SECRET}@db/x",
        "MEDIATOOL_MONGODB_URL": SECRET,
        "MEDIATOOL_S3_ENDPOINT_URL": "localhost:8333",
        "MEDIATOOL_S3_BUCKET": "two words",
        "MEDIATOOL_S3_OBJECT_LOCK_DAYS": "0",
        "MEDIATOOL_WORKERS": "0",
    }
    with pytest.raises(BadSettings) as caught:
        Settings.parse(environ)
    assert len(caught.value.problems) == len(environ)
    assert all(any(name in problem for problem in caught.value.problems) for name in environ)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5", "٣٫٥"])
def test_workers_are_counted(workers: str) -> None:
    """Only a whole number from 1 is a count of workers."""
    with pytest.raises(BadSettings, match="MEDIATOOL_WORKERS"):
        Settings.parse({"MEDIATOOL_WORKERS": workers})


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_no_default_differs_from_that_of_an_empty_environment(field: Field[object]) -> None:
    """Each default stands once."""
    assert getattr(Settings.parse({}), field.name) == field.default


def test_a_setting_takes_anothers_value() -> None:
    """RDS exports are encrypted with the bucket's key, unless they have one of their own."""
    assert Settings.parse({"MEDIATOOL_S3_KMS_KEY_ID": "k"}).rds_kms_key_id == "k"
    both = {"MEDIATOOL_S3_KMS_KEY_ID": "k", "MEDIATOOL_RDS_KMS_KEY_ID": "l"}
    assert Settings.parse(both).rds_kms_key_id == "l"


def test_the_domain_reads_no_files() -> None:
    """A path is taken as it is; what it names is looked up where the settings are read."""
    named = Path("/no/such/file.yaml")
    assert Settings.parse({"MEDIATOOL_MODEL": str(named)}).model == named


def test_require() -> None:
    """A flow that needs servers names every one that is not set, and the next step."""
    settings = Settings.parse({"MEDIATOOL_MONGODB_URL": MONGODB})
    settings.require("mongodb_url")
    with pytest.raises(BadSettings, match="mediatool up") as caught:
        settings.require("postgres_url", "mongodb_url", "restore_postgres_url")
    assert "MEDIATOOL_POSTGRES_URL is not set" in str(caught.value)
    assert "MEDIATOOL_RESTORE_POSTGRES_URL is not set" in str(caught.value)
    assert "MONGODB" not in str(caught.value)


def test_secrets_do_not_print() -> None:
    """Neither repr nor str of the settings shows a password."""
    settings = Settings.parse(
        {"MEDIATOOL_MONGODB_URL": MONGODB, "MEDIATOOL_POSTGRES_URL": POSTGRES}
    )
    for text in (repr(settings), str(settings), f"{settings}"):
        assert "hidden" not in text
        assert "p%40ss" not in text


def test_where_alerts_go() -> None:
    """The webhook's whole URL is a secret."""
    names = {
        "ALERT_WEBHOOK_URL": HOOK,
        "ALERT_SNS_TOPIC_ARN": TOPIC,
        "ALERT_LOG": "yes",
        "ALERT_WINDOW_HOURS": "12",
        "DAGSTER_URL": "https://dagster.example/prefix",
    }
    settings = Settings.parse({f"MEDIATOOL_{name}": text for name, text in names.items()})
    assert (settings.alert_webhook_url, settings.alert_sns_topic_arn) == (Url(HOOK), TOPIC)
    assert (settings.alert_log, settings.alert_window_hours) == (True, 12)
    assert "very-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ALERT_WEBHOOK_URL", "hooks.slack.com/very-secret"),
        ("ALERT_WEBHOOK_URL", "file:///very-secret"),
        ("ALERT_SNS_TOPIC_ARN", "arn:aws:sqs:eu-west-1:123456789012:alerts"),
        ("ALERT_SNS_TOPIC_ARN", "alerts"),
        ("ALERT_WINDOW_HOURS", "0"),
        ("ALERT_LOG", "loud"),
        ("DAGSTER_URL", "localhost:3000"),
    ],
)
def test_where_alerts_cannot_go(name: str, text: str) -> None:
    """The setting is named, and of a URL no more than that."""
    with pytest.raises(BadSettings, match=f"MEDIATOOL_{name} is n") as caught:
        Settings.parse({f"MEDIATOOL_{name}": text})
    assert "secret" not in str(caught.value)


TLS = {"MEDIATOOL_DASK_CA": "ca", "MEDIATOOL_DASK_CERT": "cert", "MEDIATOOL_DASK_KEY": "key"}


@pytest.mark.parametrize(
    ("address", "more", "scheduler"),
    [
        ("tls://far.example:8786", TLS, "tls://far.example:8786"),
        ("tcp://127.0.0.1:8786", {}, "tcp://127.0.0.1:8786"),
        ("tcp://[::1]:8786", {}, "tcp://[::1]:8786"),
        ("localhost:8786", {}, "tcp://localhost:8786"),
        ("tcp://far.example:8786", {"MEDIATOOL_DASK_INSECURE": "yes"}, "tcp://far.example:8786"),
    ],
)
def test_a_cluster(address: str, more: dict[str, str], scheduler: str) -> None:
    """Another machine's by TLS, with the certificates that it takes."""
    found = Settings.parse({"MEDIATOOL_DASK_SCHEDULER": address} | more).cluster
    files = [Path(name) for name in more.values()] if more == TLS else [None] * 3
    assert found == DaskCluster(scheduler, *files)
    assert Settings.parse(more).cluster is None


@pytest.mark.parametrize(
    ("address", "more", "says"),
    [
        ("tcp://far.example:8786", {}, "MEDIATOOL_DASK_INSECURE=yes"),
        ("far.example:8786", {"MEDIATOOL_DASK_INSECURE": "no"}, "without TLS"),
        ("tcp://10.0.0.7:8786", {}, "without TLS"),
        ("tcp://localhost.example:8786", {}, "without TLS"),
        ("tls://far.example:8786", {}, "set MEDIATOOL_DASK_CA, _CERT and _KEY"),
        ("tls://far.example:8786", {"MEDIATOOL_DASK_CA": "ca"}, "_CERT and _KEY"),
        ("tcp://127.0.0.1:8786", TLS, "write tls://"),
        ("http://far.example:8786", {}, "is not a tcp:// URL"),
        ("tls://u:hunter2@far.example:8786", TLS, "leave them out"),
    ],
)
def test_no_cluster_is_open_to_others_by_mistake(
    address: str, more: dict[str, str], says: str
) -> None:
    """Without TLS everybody who reaches the scheduler reads rows and runs code."""
    with pytest.raises(BadSettings, match=says) as caught:
        Settings.parse({"MEDIATOOL_DASK_SCHEDULER": address} | more)
    assert "hunter2" not in str(caught.value)
