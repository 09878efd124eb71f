"""URLs: read with certainty or refused, and never shown with their secrets."""

import copy
import pickle
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.texts import Url, without_passwords
from mediatool_assets_tests.passwords import PASSWORDS, shape, shown_parts

SCHEMES = ("postgresql", "mongodb", "mongodb+srv", "https")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:p%40ss@db:5432/source", "postgresql://me:***@db:5432/source"),
        ("postgresql://me:a:b@db/x", "postgresql://me:***@db/x"),
        ("mongodb://me:s@a:1,b:2/?authSource=admin", "mongodb://me:***@a:1,b:2/?authSource=admin"),
        ("postgresql://me@db/x", "postgresql://me@db/x"),
        ("postgresql://me:@db/x", "postgresql://me:***@db/x"),
        ("postgresql:///x?host=%2Ftmp%2Fsocket", "postgresql:///x?host=%2Ftmp%2Fsocket"),
        ("postgresql://u:s@[::1]:5432/x", "postgresql://u:***@[::1]:5432/x"),
        ("mongodb://a:same@same:1/same", "mongodb://a:***@same:1/same"),
        ("postgresql://h/d?password=p%40s&user=u", "postgresql://h/d?password=***&user=u"),
        ("postgresql://h/d?user=u&sslpassword=s", "postgresql://h/d?user=u&sslpassword=***"),
        ("postgresql://h/d?options=-c%20a.b%3Ds", "postgresql://h/d?options=***"),
        (
            "mongodb://h/?tlsCertificateKeyFilePassword=s#",
            "mongodb://h/?tlsCertificateKeyFilePassword=***",
        ),
        (
            "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:s&w=1",
            "mongodb://h/?authMechanismProperties=***&w=1",
        ),
        ("https://hooks.example/services/T0/very", "https://hooks.example/***"),
        ("https://u:s@hooks.example", "https://hooks.example/***"),
        ("https://hooks.example", "https://hooks.example"),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    """The servers, the database and harmless parameters; ``reveal`` gives all."""
    found = Url(url)
    assert (str(found), f"{found}", repr(found)) == (shown, shown, f"Url({shown!r})")
    assert found.reveal() == url
    assert (found == Url(url), found == Url(f"{url}x")) == (True, False)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:QJcret/tail@host/db", "/ as %2F"),
        ("postgresql://me:QJc?et@host/db", "? as %3F"),
        ("postgresql://me:QJc#et@host/db", "# as %23"),
        ("postgresql://me:QJc@et@host/db", "@ as %40"),
        ("postgresql://me:Q@:J/et@host/db", "/ as %2F, @ as %40"),
        ("postgresql://me:QJcret/tail", "/ as %2F"),  # and no host at all
        ("postgresql://me:QJcr%t@host/db", "% itself as %25"),
        ("postgresql://me:QJcr%00t@host/db", "%00"),
        ("postgresql://me:QJ cret@host/db", "write it as %20"),
        ("postgresql://me:QJ\u200bcret@host/db", "U+200B; write it as %E2%80%8B"),
        ("postgresql://me:QJ\udc80cret@host/db", "write it as %80"),
        ("mongodb://me:QJ:ret@host/db", ": as %3A"),
        ("mongodb://me:QJcret@/db", "names no host"),
        ("mongodb://me:QJcret@host:port/db", "host or port"),
        ("https://me:QJc[et/x@host/", "/ as %2F"),
        ("QJcret/host", "is not a URL"),
        ("QJcret@host://", "is not a URL"),
    ],
)
def test_what_is_refused(url: str, says: str) -> None:
    """The message names the character to escape, and nothing that may be a part of the secret."""
    with pytest.raises(ValueError, match=r"^[^QJ]*$") as caught:
        Url(url)
    assert says in str(caught.value)


@given(st.sampled_from(SCHEMES), PASSWORDS)
def test_an_escaped_password_is_taken_and_hidden(scheme: str, password: str) -> None:
    """Whatever its characters; the server and the database are found behind it."""
    url = Url(f"{scheme}://me:{quote(password, safe='')}@host.example/db")
    assert (url.hosts, url.database) == ("host.example", "db")
    assert urlsplit(url.reveal()).password == quote(password, safe="")
    assert not shown_parts(password, f"{url} {url!r}", f"{scheme}://me:***@host.example/db Url")


@given(st.sampled_from(SCHEMES), PASSWORDS)
def test_a_password_as_it_is_is_hidden_or_refused(scheme: str, password: str) -> None:
    """A mistake in writing the URL shows no part of it either."""
    texts = [f"{scheme}://me:{each}@host/db" for each in (password, shape(password))]
    assert not shown_parts(password, *map(_shown, texts))


def _shown(text: str) -> str:
    """What is shown of a URL: itself, or why it is refused."""
    try:
        url = Url(text)
    except ValueError as error:
        return str(error)
    return f"{url} {url!r} {url.hosts}"


@pytest.mark.parametrize(
    ("url", "moved"),
    [
        ("postgresql://u:p%2F@h:1/a", "postgresql://u:p%2F@h:1/b%20c"),
        ("postgresql:///a?host=%2Ftmp&dbname=z", "postgresql:///b%20c?host=%2Ftmp"),
        ("postgresql://h", "postgresql://h/b%20c"),
    ],
)
def test_another_database_of_the_server(url: str, moved: str) -> None:
    """Everything else stays, and so does the setting that it came from."""
    found = Url(url, "MEDIATOOL_X").to("b c")
    assert (found.reveal(), found.database, found.variable) == (moved, "b c", "MEDIATOOL_X")


@pytest.mark.parametrize("secret", [Url("postgresql://u:p@h/d"), MaskingKey(bytes(range(32)))])
def test_secrets_are_in_no_pickle(secret: object) -> None:
    """Nor in a copy that is made by one."""
    with pytest.raises(TypeError, match="except for a pool of workers"):
        pickle.dumps({"of": [secret]})
    with pytest.raises(TypeError, match="except for a pool of workers"):
        copy.deepcopy(secret)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@h/d: no", "postgresql://u:***@h/d: no"),
        ("at mongodb://u:p@ss/w:d@h/ twice", "at mongodb://u:***@h/ twice"),
        ("postgresql://h/d?password=s%40&user=u", "postgresql://h/d?password=***&user=u"),
        ("mongodb://h/?a=AWS_SESSION_TOKEN:s", "mongodb://h/?a=AWS_SESSION_TOKEN:***"),
        ("https://h/a and b@c", "https://h/a and b@c"),
    ],
)
def test_messages_of_other_programs(text: str, shown: str) -> None:
    """The passwords of the URLs in them are hidden."""
    assert without_passwords(text) == shown
