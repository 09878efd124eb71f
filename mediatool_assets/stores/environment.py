"""Where the servers are: as the environment says, or else the local ones that are up."""

import getpass
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.setting_fields import variable
from mediatool_assets.domain.settings import DECLARED, Settings

SERVERS = ("POSTGRES_URL", "RESTORE_POSTGRES_URL", "MONGODB_URL", "S3_ENDPOINT_URL", "S3_BUCKET")
"""Any one of these, set, says that the user has servers of their own: nothing local is used."""


def home() -> Path:
    """Where the local servers live: ``MEDIATOOL_HOME``, or ``.mediatool`` in this directory."""
    return Path(os.environ.get("MEDIATOOL_HOME", "").strip() or ".mediatool").absolute()


def has_own_servers() -> bool:
    """Whether the environment names any server."""
    return any(map(_is_set, SERVERS))


def settings(*names: str) -> Settings:
    """The settings, of which ``names`` have to be set; raises BadSettings with every problem.

    Where no server is set and the local ones are up, their environment becomes this process's own,
    so that libraries and child processes see the same servers.
    """
    if not has_own_servers():
        own = {name for name, value in os.environ.items() if value.strip()}
        _adopt({name: value for name, value in _local().items() if name not in own & _TASTES})
    problems = [f"MEDIATOOL_{n} is not set" for n in map(str.upper, names) if not _is_set(n)]
    if problems:
        problems.append("set it, or unset every server's URL to use those of `mediatool up`")
    return read_settings(problems)


def read_settings(problems: Iterable[str] = ()) -> Settings:
    """The settings as the environment has them; the files and directories they name must exist.

    Raises BadSettings with every problem, those that the caller has found among them.
    """
    problems = [*_missing_paths(), *problems]
    try:
        settings = Settings.parse(os.environ)
    except BadSettings as error:
        raise BadSettings([*error.problems, *problems]) from error
    if problems:
        raise BadSettings(problems)
    return settings


def _missing_paths() -> Iterator[str]:
    exists = {"file": Path.is_file, "directory": Path.is_dir}
    for name, declared in DECLARED.items():
        text = os.environ.get(variable(name), "").strip()
        if text and declared.exists is not None and not exists[declared.exists](Path(text)):
            yield f"{variable(name)} names no {declared.exists}: {text!r}"


def account() -> str:
    """The account that asks, for evidence."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def local_settings() -> Settings:
    """The settings of the local servers, whatever else the environment names.

    What writes demonstration data must never meet a database of the user's.
    """
    _adopt(_local())
    return read_settings()


_TASTES = {"MEDIATOOL_POSTGRES_SCHEMA", "MEDIATOOL_MODEL", "MEDIATOOL_EXCLUDE_TABLES"} | {
    "MEDIATOOL_WORKERS"
}
"""What the user may set beside the local servers."""


def _local() -> dict[str, str]:
    """The local servers' environment; raises BadSettings where they are not up."""
    from mediatool_assets.stores.local import local_environment  # noqa: PLC0415  # slow

    local = local_environment(home())
    if local is None:
        raise BadSettings(
            [
                "no server is set and the local ones are not up",
                "start them with `mediatool up`, or set MEDIATOOL_POSTGRES_URL, "
                "MEDIATOOL_MONGODB_URL and MEDIATOOL_S3_BUCKET",
            ]
        )
    return local


def _adopt(local: dict[str, str]) -> None:
    """Make the local servers' environment this process's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # a session token of the user's would not fit the local keys
    os.environ.update(local)


def _is_set(name: str) -> bool:
    return bool(os.environ.get(f"MEDIATOOL_{name}", "").strip())
