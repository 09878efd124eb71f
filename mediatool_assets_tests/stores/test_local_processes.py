"""The supervisor of the local servers, with programs that are simpler than servers."""

import socket
from pathlib import Path

import pytest

from mediatool_assets.stores import local_processes, local_servers
from mediatool_assets.stores.local_processes import Credentials, NotReady, Server, ServerFailed
from mediatool_assets.stores.user_files import write_private


def never() -> None:
    """A probe that is never content."""
    raise NotReady("not yet")


def at_once() -> None:
    """A probe that is content."""


def test_start_know_again_stop(tmp_path: Path) -> None:
    """A started program is known again by its folder, and stopped once."""
    server = Server("sleeper", ("sleep", "600"), tmp_path, at_once)
    process = local_processes.start(server)
    found = local_processes.running(tmp_path)
    assert found is not None
    assert found.pid == process.pid
    assert local_processes.stop(tmp_path)
    assert not process.is_running()
    assert local_processes.running(tmp_path) is None
    assert not local_processes.stop(tmp_path)


def test_deaf_program_is_killed(tmp_path: Path) -> None:
    """A program that does not heed its signal is killed after its grace."""
    argv = ("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done")
    heard = tmp_path / "server.log"

    def deaf() -> None:
        if "deaf" not in heard.read_text():
            raise NotReady("the trap is not set")

    process = local_processes.start(Server("deaf", argv, tmp_path, deaf, grace=0.2))
    assert local_processes.stop(tmp_path)
    assert not process.is_running()


def test_death_is_told_with_the_last_lines(tmp_path: Path) -> None:
    """A program that dies before it answers is reported with what it wrote last."""
    argv = ("sh", "-c", "seq 100; echo out of cheese >&2; exit 3")
    with pytest.raises(
        ServerFailed, match=r"(?s)cheesy died.*99\n  100\n  out of cheese"
    ) as failed:
        local_processes.start(Server("cheesy", argv, tmp_path, never))
    assert "\n  88\n" not in str(failed.value)


def test_missing_program_is_told(tmp_path: Path) -> None:
    """A program that is not there is a server that died, with the shell's word for it."""
    with pytest.raises(ServerFailed, match="not found"):
        local_processes.start(Server("ghost", ("no-such-program",), tmp_path, never))


def test_silence_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that lives and never answers is given up, and can still be stopped."""
    with monkeypatch.context() as patch:
        patch.setattr(local_processes, "READY_SECONDS", 0.3)
        with pytest.raises(ServerFailed, match=r"does not answer.*not yet"):
            local_processes.start(Server("mute", ("sleep", "600"), tmp_path, never))
    assert local_processes.stop(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "argv": []}'])
def test_torn_record_is_no_server(tmp_path: Path, content: str) -> None:
    """A record that a full disk cut short names no process."""
    (tmp_path / "process.json").write_text(content)
    assert local_processes.running(tmp_path) is None
    assert not local_processes.stop(tmp_path)


def test_ports_are_remembered_while_free(tmp_path: Path) -> None:
    """The same ports are chosen again until one of them is taken."""
    first = local_processes.choose_ports(tmp_path, ("a", "b"))
    assert local_processes.choose_ports(tmp_path, ("a", "b")) == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["b"]))
        taken.listen()
        assert first["b"] not in local_processes.choose_ports(tmp_path, ("a", "b")).values()


def test_large_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log does not grow for ever: a large one is renamed at the next start."""
    monkeypatch.setattr(local_processes, "LOG_BYTES", 10)
    (tmp_path / "server.log").write_text("long ago, and long")
    local_processes.start(Server("sleeper", ("sleep", "600"), tmp_path, at_once))
    local_processes.stop(tmp_path)
    assert (tmp_path / "server.log.old").read_text() == "long ago, and long"
    assert (tmp_path / "server.log").read_text() == ""


def test_missing_libcurl_names_its_package() -> None:
    """What the loader says of a missing libcurl becomes the command that installs it."""
    says = (
        "/x/mongod: error while loading shared libraries: libcurl.so.4: "
        "cannot open shared object file: No such file or directory\n"
    )
    advice = local_servers.missing_library(says)
    assert advice is not None
    assert "apt-get install libcurl4" in advice


def test_missing_other_library_is_named() -> None:
    """A library of which we know no package is named all the same."""
    says = "mongod: error while loading shared libraries: libssl.so.3: cannot open shared object"
    assert "libssl.so.3" in str(local_servers.missing_library(says))


def test_no_missing_library() -> None:
    """A program that ran lacks nothing."""
    assert local_servers.missing_library("") is None


def test_credentials_are_made_once(tmp_path: Path) -> None:
    """Credentials are generated on the first call and read back on the next; none prints."""
    path = tmp_path / "credentials.json"
    made = Credentials.of(path)
    assert Credentials.of(path) == made
    assert made != Credentials.generate()
    assert repr(made) == "Credentials()"


def test_private_file_replaces_whole(tmp_path: Path) -> None:
    """A private file is private from its first byte and leaves no draft behind."""
    path = tmp_path / "secret"
    path.write_text("old and public")
    write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
