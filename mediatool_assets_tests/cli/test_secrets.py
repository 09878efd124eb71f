"""No part of a secret is shown: by any command, of any setting, written well or badly.

Of four characters or more, on stdout and stderr, in logs and in Dagster's storage, among the
arguments of processes. The objects in the bucket are searched in ``defs/test_secrets.py``.
"""

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mediatool_assets.core.settings import DECLARED, Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, metadata_key
from mediatool_assets.main import COMMANDS, app, main
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.metadata_examples import example as metadata_example
from mediatool_assets_tests.passwords import PASSWORDS, shape, shown_parts

pytestmark = pytest.mark.usefixtures("as_any_other_process")

V = "20250621-143000"
CALLS = {
    "demo": "demo",
    "dev": "dev",
    "up": "up --json",
    "down": "down",
    "status": "status --json",
    "seed": "seed --scale 0.001",
    "export": "export --notes x",
    "versions": "versions --json",
    "latest": "latest",
    "show": f"show {V}",
    "fetch": f"fetch {V} --output there",
    "promote": f"promote {V}",
    "rollback": "rollback",
    "annotate": f"annotate {V} --notes x",
    "keep": f"keep {V}",
    "unkeep": f"unkeep {V}",
    "prune": "prune --dry-run",
    "report": "report metrics",
    "compare": f"compare --version1 {V} --version2 {V} --output c.json",
    "sql": f"sql {V} 'SELECT 1'",
    "history": "history users 1",
    "restore": f"restore {V} --to postgres",
    "verify": f"verify {V}",
    "integrity": f"integrity {V}",
    "sanitize": f"sanitize --input {V} --output s3://b/copy.tar.gz",
    "alert": "alert --test",
    "costs": "costs",
    "check": "check",
    "settings": "settings",
    "keys chain": "keys chain",
    "keys checkpoint": "keys checkpoint",
    "bucket plan": "bucket plan",
    "bucket check": "bucket check",
    "bucket apply": "bucket apply",
    "model infer": "model infer",
    "model check": "model check",
}
"""How each command is called here."""
LEFT_OUT = {"bench", "metrics", "init"}
"""The servers of the first are its own; the second runs another process, and ends with its code;
what the third writes is searched in test_initializing.py. ``keys new`` reads no setting."""
PATIENT = {"check"}
"""Goes on to the servers after a setting that is wrong; tried with servers that refuse."""

FORMS = {
    "POSTGRES_URL": "postgresql://me:{}@{}/db",
    "POSTGRES_PRIMARY_URL": "postgresql://me:{}@{}/db",
    "RESTORE_POSTGRES_URL": "postgresql://me:{}@{}/postgres?connect_timeout=2",
    "MONGODB_URL": "mongodb://me:{}@{}/?authSource=admin",
    "S3_ENDPOINT_URL": "http://me:{}@{}",
    "ALERT_WEBHOOK_URL": "https://me:{}@{}/hook",
    "DAGSTER_URL": "https://me:{}@{}",
    "DASK_SCHEDULER": "tls://me:{}@{}",
}
"""Every setting that is a URL, with a place for a password and one for the server."""
SCHEMES = {name: form.partition("://")[0] for name, form in FORMS.items()}
LOOSE = ("{}", "{}@{}", ":{}@{}", "me:{}@{}", "//me:{}@{}", "me:{}@{}/{}", "me:{}@{}?password={}")
"""Behind ``scheme://`` or without it: what people write, and what they forget."""


def test_every_command_and_every_url_is_here() -> None:
    """A new one needs a line above."""
    groups = {"bucket", "keys", "model"}
    names = {command.__name__ for command in COMMANDS}
    names |= {name for name in CALLS if name.split()[0] in groups}
    assert {*CALLS} | LEFT_OUT == names
    assert {group.name for group in app.registered_groups} <= groups | {None}
    assert {f.upper() for f in DECLARED if f.endswith("_url")} | {"DASK_SCHEDULER"} == {*FORMS}


def said(words: list[str]) -> tuple[int, str]:
    """The exit code of a command line, run here, and all that it prints."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = main(words)
    return code, out.getvalue()


def run_with(words: list[str], environ: Mapping[str, str]) -> tuple[int, str]:
    """The same in an environment with these variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return said(words)


@st.composite
def mistakes(draw: st.DrawFn) -> Callable[[str], tuple[list[str], dict[str, str]]]:
    """A command line, and a setting that is or is not well written, around a password."""
    debug = draw(st.sampled_from([[], ["--debug"]]))
    words = [*debug, *shlex.split(CALLS[draw(st.sampled_from(sorted(CALLS.keys() - PATIENT)))])]
    name = draw(st.sampled_from([*FORMS, "MASKING_KEY"]))
    form = draw(st.sampled_from(LOOSE))
    scheme = draw(st.sampled_from(["", "x", *SCHEMES.values(), SCHEMES.get(name, "")]))
    server = draw(st.sampled_from(["", "127.0.0.1:1", "127.0.0.1:port", "[::1", "no.such.invalid"]))

    def made(password: str) -> tuple[list[str], dict[str, str]]:
        if name in FORMS:
            text = form.replace("{}", password, 1).replace("{}", server, 1).replace("{}", password)
            text = f"{scheme}://{text}" if scheme else text
        else:
            text = password
        return words, {f"MEDIATOOL_{name}": text}

    return made


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(mistakes(), PASSWORDS)
def test_a_setting_that_is_wrong_is_not_shown(
    nowhere: Path, made: Callable[[str], tuple[list[str], dict[str, str]]], password: str
) -> None:
    """Another setting is wrong as well, so that each command lists what it thinks of both."""
    (nowhere / "file").touch()
    wrong = {"MEDIATOOL_VERIFY_DAYS": "none", "MEDIATOOL_HOME": str(nowhere / "file" / "home")}
    words, environ = made(password)
    code, shown = run_with(words, wrong | environ)
    assert code in {0, 2}
    if shown_parts(password, shown, ""):
        words, environ = made(shape(password))
        assert not shown_parts(password, shown, run_with(words, wrong | environ)[1])


NASTY = "Zq7/Kx@9:vW#2?m%[]&+=é~Jt"
"""Every character that a URL gives a meaning; in no message by chance."""
ESCAPED = quote(NASTY, safe="")

WRONG = ("password", "port", "host")
USES = {
    "POSTGRES_URL": ("seed", "model infer", "check"),
    "RESTORE_POSTGRES_URL": ("verify", "prune"),
    "MONGODB_URL": ("promote", "verify", "prune", "check"),
    "ALERT_WEBHOOK_URL": ("alert",),
}
"""The commands that connect to each."""
CASES = [
    (name, command, wrong)
    for name, commands in USES.items()
    for command in commands
    for wrong in WRONG
    if (name, wrong) != ("ALERT_WEBHOOK_URL", "password")  # no server is there to refuse it
    and (command, wrong) not in {("verify", "host"), ("prune", "host")}  # as "port", for seconds
]


@pytest.fixture
def one_version(
    objects: S3Objects, stack: Stack, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The stack, with a bucket in which a version seems to be; and a short patience."""
    own = {
        "MEDIATOOL_S3_BUCKET": objects.bucket,
        "MEDIATOOL_WORKERS": "1",
        "MEDIATOOL_HOME": str(nowhere / "home"),
        "MEDIATOOL_POSTGRES_SCHEMA": "media_tool",
    }
    for name, value in (stack.environment | own).items():
        monkeypatch.setenv(name, value)
    objects.put(metadata_key(Version.parse(V)), metadata_example(V).to_json())
    opened = MongoDocuments.of

    def impatient(settings: Settings, other: str | None = None) -> MongoDocuments:
        return replace(opened(settings, other), answer_ms=300)

    monkeypatch.setattr(MongoDocuments, "of", impatient)
    yield nowhere


@hypothesis_settings(
    max_examples=len(CASES),  # as many runs as there are cases
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(CASES), PASSWORDS)
@example(("POSTGRES_URL", "model infer", "password"), NASTY)
@example(("MONGODB_URL", "promote", "password"), NASTY)
def test_a_server_that_refuses_is_named_without_secrets(
    one_version: Path, case: tuple[str, str, str], password: str
) -> None:
    """Well written, and the password, the port or the host is not right; with --debug, too."""
    name, command, wrong = case
    variable = f"MEDIATOOL_{name}"
    right = Url(os.environ.get(variable, "https://127.0.0.1:1/hook"))
    server = {"password": right.hosts, "port": "127.0.0.1:1", "host": "no.such.host.invalid"}[wrong]

    def connecting(secret: str) -> str:
        url = FORMS[name].format(quote(secret, safe=""), server).replace("//me:", "//postgres:")
        code, shown = run_with(["--debug", *shlex.split(CALLS[command])], {variable: url})
        assert code in {1, 3, 4}, shown
        assert server.rpartition(":")[0] in shown
        return shown

    shown = connecting(password)
    if password == NASTY:  # of which no part is in a file by chance
        assert not left_behind(one_version, password)
    if shown_parts(password, shown, ""):  # by chance, as in a name: then for another password too
        assert not shown_parts(password, shown, connecting(shape(password)))


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_wrong_credentials_of_aws_are_not_shown(one_version: Path, name: str) -> None:
    """The bucket refuses them."""
    endpoint = os.environ["MEDIATOOL_S3_ENDPOINT_URL"] + "/"  # for a client of its own
    environ = {name: NASTY.replace("é", "e"), "MEDIATOOL_S3_ENDPOINT_URL": endpoint}
    code, shown = run_with(["--debug", "versions"], environ)
    assert code == 4, shown
    assert not shown_parts(NASTY, shown, "")


def left_behind(folder: Path, password: str) -> list[Path]:
    """Files in which a part of the password is."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and shown_parts(password, path.read_bytes().decode("utf-8", "replace"), "")
    ]


@pytest.mark.parametrize(
    "url",
    [f"postgresql://me:{ESCAPED}@{{}}/db?{ESCAPED}={ESCAPED}", f"postgresql://me:{NASTY}@{{}}/db"],
    ids=["unknown parameter", "not escaped"],
)
def test_a_run_of_dagster_tells_no_secret(one_version: Path, url: str) -> None:
    """Its events and logs, the files that it leaves, and the arguments of its processes."""
    server = Url(os.environ["MEDIATOOL_POSTGRES_URL"]).hosts
    environment = os.environ | {"MEDIATOOL_POSTGRES_URL": url.format(server)}
    for name in [name for name in environment if name.startswith("DAGSTER_")]:
        del environment[name]  # so that Dagster's storage is files below the home
    arguments: set[str] = set()
    with subprocess.Popen(
        [sys.executable, "-m", "mediatool_assets.main", *shlex.split(CALLS["export"])],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        watching = threading.Thread(target=_watch, args=(process, arguments))
        watching.start()
        assert process.stdout is not None
        shown = process.stdout.read()
        assert process.wait() == 2, shown
        watching.join()
    assert arguments
    assert not shown_parts(NASTY, shown + "".join(arguments), "")
    assert not left_behind(one_version, NASTY)


def _watch(process: subprocess.Popen[str], arguments: set[str]) -> None:
    """Note the arguments of the process, and of all that it starts, until it ends."""
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            for each in (watched, *watched.children(recursive=True)):
                arguments.add(" ".join(each.cmdline()))
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.25)  # a look at all processes of the machine takes some of it
