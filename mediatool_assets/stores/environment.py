"""The settings from the environment or mediatool.toml, or from running local servers.

The values of the file are put into this process's environment, so that libraries and child
processes see the same; variables that are already set are unchanged.
"""

import getpass
import os
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.setting_fields import variable
from mediatool_assets.domain.settings import DECLARED, Settings
from mediatool_assets.stores.settings_file import adopt, find_settings_file

SERVERS = ("POSTGRES_URL", "RESTORE_POSTGRES_URL", "MONGODB_URL", "S3_ENDPOINT_URL", "S3_BUCKET")
"""If any of these is set, the user has servers of their own, and no local server is used."""


def home() -> Path:
    """The folder of the local servers: ``MEDIATOOL_HOME``, or ``.mediatool`` in this directory."""
    adopt_file()
    return Path(os.environ.get("MEDIATOOL_HOME", "").strip() or ".mediatool").absolute()


def has_own_servers() -> bool:
    """Whether the environment or the settings file names any server."""
    adopt_file()
    return any(map(_is_set, SERVERS))


def adopt_file() -> None:
    """Put the values of mediatool.toml into this process's environment, if not set there.

    Raises BadSettings with all problems of the file and of the settings.
    """
    found = find_settings_file(os.environ)
    problems = adopt(found, os.environ) if found else []
    if problems:
        raise BadSettings([*problems, *_problems()])


def origins() -> dict[str, str]:
    """The origin of each set variable: the environment, the file, or local servers.

    Call it first: ``adopt_file`` puts the file's values into the environment.
    """
    before = {name for name in os.environ if _is_there(name)}
    found = find_settings_file(os.environ)
    own = has_own_servers()
    local = {} if own else _local_or_none() or {}
    _adopt_beside_tastes(local)
    made = dict.fromkeys(found.values if found else (), str(found.path) if found else "")
    made |= dict.fromkeys(before, "environment")
    made |= {name: "local servers" for name in local if name not in before & _TASTES}
    return {name: origin for name, origin in made.items() if _is_there(name)}


def first_day() -> date:
    """The first day that has a partition; other settings may be wrong."""
    adopt_file()
    text = os.environ.get("MEDIATOOL_FIRST_DAY", "").strip()
    return Settings.parse({"MEDIATOOL_FIRST_DAY": text}).first_day


def settings(*names: str) -> Settings:
    """The settings, where ``names`` must be set; raises BadSettings with every problem.

    If no server is set and the local ones are running, their environment becomes this process's
    own, so
    that libraries and child processes see the same servers.
    """
    adopt_file()
    _adopt_local_if_needed()
    problems = [f"{variable(name)} is not set" for name in names if not _is_set(name.upper())]
    if problems:
        problems.append("set it, or unset every server's URL to use those of `mediatool up`")
    return read_settings(problems)


def maker_settings(*names: str) -> Settings:
    """The settings for making versions: ``names`` and those of every target have to be set.

    Raises BadSettings with every problem; local servers are used as by ``settings``.
    """
    adopt_file()
    _adopt_local_if_needed()
    return settings(*names, *Settings.read(os.environ)[0].targets.settings)


def read_settings(problems: Iterable[str] = ()) -> Settings:
    """The settings from the environment and the file; files that they name must exist.

    Raises BadSettings with every problem, including the caller's.
    """
    adopt_file()
    problems = [*_problems(), *problems]
    if problems:
        raise BadSettings(problems)
    return Settings.parse(os.environ)


def settings_and_problems() -> tuple[Settings, list[str]]:
    """The settings, as far as they are valid, and all their problems.

    Local servers are used as by ``settings``; if there are none, that is a problem too.
    """
    problems: list[str] = []
    for step in (adopt_file, _adopt_local_if_needed):
        try:
            step()
        except BadSettings as error:
            problems += error.problems
    return Settings.read(os.environ)[0], list(dict.fromkeys([*problems, *_problems()]))


def _problems() -> Iterator[str]:
    """The problems of the settings in this process's environment."""
    yield from Settings.read(os.environ)[1]
    yield from _missing_paths()


def _missing_paths() -> Iterator[str]:
    exists = {"file": Path.is_file, "directory": Path.is_dir}
    for name, declared in DECLARED.items():
        text = os.environ.get(variable(name), "").strip()
        if text and declared.exists is not None and not exists[declared.exists](Path(text)):
            yield f"{variable(name)} names no {declared.exists}: {text!r}"


def account() -> str:
    """The name of the account that runs this process, for records."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def local_settings() -> Settings:
    """The settings of the local servers, even if the environment names others.

    Commands that write demonstration data must never reach a user's database.
    """
    _adopt(_local())
    return read_settings()


_TASTES = {"MEDIATOOL_POSTGRES_SCHEMA", "MEDIATOOL_MODEL", "MEDIATOOL_EXCLUDE_TABLES"} | {
    "MEDIATOOL_TARGETS",
    "MEDIATOOL_WORKERS",
    "MEDIATOOL_NATIVE",
    "MEDIATOOL_SIGNING_KEY",
    "MEDIATOOL_TRUSTED_KEYS",
}
"""What the user may set together with the local servers."""


def _adopt_local_if_needed() -> None:
    if not any(map(_is_set, SERVERS)):
        _adopt_beside_tastes(_local())


def _local() -> dict[str, str]:
    """The local servers' environment; raises BadSettings if they are not running."""
    local = _local_or_none()
    if local is None:
        raise BadSettings(
            [
                "no server is set and the local ones are not up",
                "start them with `mediatool up`, or write down your own with `mediatool init` "
                "(or set MEDIATOOL_POSTGRES_URL, MEDIATOOL_MONGODB_URL and MEDIATOOL_S3_BUCKET)",
            ]
        )
    return local


def _local_or_none() -> dict[str, str] | None:
    from mediatool_assets.stores.local import local_environment  # noqa: PLC0415  # slow

    return local_environment(home())


def _adopt_beside_tastes(local: dict[str, str]) -> None:
    """Use the local servers, but keep what the user may set together with them."""
    own = {name for name in os.environ if _is_there(name)}
    if local:
        _adopt({name: value for name, value in local.items() if name not in own & _TASTES})


def _adopt(local: dict[str, str]) -> None:
    """Put the local servers' environment into this process's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # a session token of the user would not fit the local keys
    os.environ.update(local)


def _is_set(name: str) -> bool:
    return _is_there(f"MEDIATOOL_{name}")


def _is_there(variable: str) -> bool:
    return bool(os.environ.get(variable, "").strip())
