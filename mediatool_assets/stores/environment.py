"""The settings from the environment or mediatool.toml, or from running local servers.

The values of the file are put into this process's environment, so that libraries and child
processes see the same; variables that are already set are unchanged.
"""

import getpass
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.setting_values import variable
from mediatool_assets.core.settings import DECLARED, Settings
from mediatool_assets.stores.user_files import adopt, find_settings_file, local_folder

if TYPE_CHECKING:
    from mediatool_assets.stores.mongodb import MongoDatabases
    from mediatool_assets.stores.postgres_target import PostgresDatabases

SERVERS = ("POSTGRES_URL", "RESTORE_POSTGRES_URL", "MONGODB_URL", "S3_ENDPOINT_URL", "S3_BUCKET")
"""If any of these is set, the user has servers of their own, and no local server is used."""


def home() -> Path:
    """The folder of the local servers: ``MEDIATOOL_HOME``, or ``.mediatool`` in this directory."""
    adopt_file()
    return local_folder()


def has_own_servers() -> bool:
    """Whether the environment or the settings file names any server."""
    adopt_file()
    own = {variable(name.lower()) for name in SERVERS}
    return any(map(_is_set, SERVERS)) or any(own & set(each) for each in _unchosen().values())


def adopt_file() -> None:
    """Put the values of mediatool.toml into this process's environment, if not set there.

    With a source, those of its section come first, and replace those of another source that this
    process used before. Raises BadSettings with all problems of the file and of the settings.
    """
    found, source = find_settings_file(os.environ), _source()
    _SECTION.leave(source)
    before = dict(os.environ)
    problems = adopt(found, os.environ, source) if found else []
    if found and source in found.sources:
        _SECTION.enter(source, found.of_source(source), before)
    if problems:
        raise BadSettings([*problems, *_problems()])


def sources() -> dict[str, dict[str, str]]:
    """The variables of every source of the settings file; none if one source is chosen.

    Raises BadSettings. The process's environment is unchanged, and has what all of them share.
    """
    adopt_file()
    made: dict[str, dict[str, str]] = {}
    problems: list[str] = []
    if (found := find_settings_file(os.environ)) is None:
        return made
    for name in _unchosen():
        whole = dict(os.environ)
        problems += adopt(found, whole, name)
        made[name] = {each: whole[each] for each in found.of_source(name) if each in whole}
        made[name][_CHOSEN] = name
    if problems:
        raise BadSettings(dict.fromkeys(problems))
    return made


_CHOSEN = variable("source")


def _source() -> str | None:
    return os.environ.get(_CHOSEN, "").strip() or None


def _unchosen() -> Mapping[str, Mapping[str, object]]:
    """The sections of the settings file, if none is chosen."""
    found = find_settings_file(os.environ)
    return found.sources if found and _source() is None else {}


@dataclass(slots=True)
class _ChosenSection:
    """What the section of a source has put into this process's environment."""

    source: str | None = None
    replaced: dict[str, tuple[str | None, str]] = field(default_factory=dict)

    def enter(self, source: str, names: Iterable[str], before: Mapping[str, str]) -> None:
        """Remember the values before and after."""
        if self.source != source:
            self.source = source
            self.replaced = {
                name: (before.get(name), os.environ[name]) for name in names if name in os.environ
            }

    def leave(self, source: str | None) -> None:
        """Restore what another source has replaced, where it is unchanged since."""
        if self.source in (None, source):
            return
        for name, (before, after) in self.replaced.items():
            if os.environ.get(name) != after:
                continue
            del os.environ[name]
            if before is not None:
                os.environ[name] = before
        self.source, self.replaced = None, {}


_SECTION = _ChosenSection()


def origins() -> dict[str, str]:
    """The origin of each set variable: the environment, the file, or local servers.

    Call it first: ``adopt_file`` puts the file's values into the environment.
    """
    before = {name for name in os.environ if _is_there(name)}
    found = find_settings_file(os.environ)
    own = has_own_servers()
    local = {} if own else _local_or_none() or {}
    _adopt_beside_tastes(local)
    made: dict[str, str] = {}
    if found:
        made = dict.fromkeys(found.values, str(found.path))
    made |= dict.fromkeys(before, "environment")
    if found and (source := _source()) in found.sources:
        made |= dict.fromkeys(found.of_source(source), f"{found.path} [sources.{source}]")
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
    own, so that libraries and child processes see the same servers.
    """
    _choose()
    _adopt_local_if_needed()
    problems = [f"{variable(name)} is not set" for name in names if not _is_set(name.upper())]
    if problems:
        problems.append("set it, or unset every server's URL to use those of `mediatool up`")
    return read_settings(problems)


def maker_settings(*names: str) -> Settings:
    """The settings for making versions: ``names`` and those of every target have to be set.

    Raises BadSettings with every problem; local servers are used as by ``settings``.
    """
    _choose()
    _adopt_local_if_needed()
    return settings(*names, *Settings.read(os.environ)[0].targets.settings)


def read_settings(problems: Iterable[str] = ()) -> Settings:
    """The settings from the environment and the file; files that they name must exist.

    Raises BadSettings with every problem, including the caller's.
    """
    _choose()
    return shared_settings(problems)


def shared_settings(problems: Iterable[str] = ()) -> Settings:
    """Like ``read_settings``; of several sources without a chosen one, what they share."""
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
    for step in (_choose, _adopt_local_if_needed):
        try:
            step()
        except BadSettings as error:
            problems += error.problems
    return Settings.read(os.environ)[0], list(dict.fromkeys([*problems, *_problems()]))


def _choose() -> None:
    adopt_file()
    require_choice()


def require_choice() -> None:
    """Raise BadSettings if the settings file has several sources and none is chosen."""
    if names := ", ".join(_unchosen()):
        raise BadSettings(
            [
                f"the settings file has the sources {names}",
                "name one: `mediatool --source NAME ...`",
            ]
        )


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

    Commands that write demonstration data must never reach a user's database. Raises BadSettings
    where the settings file has sections, which win over the environment.
    """
    found = find_settings_file(os.environ)
    if found and found.sources:
        says = f"{found.path} has the sources {', '.join(found.sources)}"
        raise BadSettings([says, "run this in a folder without a settings file"])
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
    from mediatool_assets.stores.local_stack import local_environment  # noqa: PLC0415  # slow

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


def database_servers(settings: Settings) -> "tuple[MongoDatabases | PostgresDatabases, ...]":
    """MongoDB and PostgreSQL, each if its URL (such as ``MEDIATOOL_MONGODB_URL``) is set."""
    from mediatool_assets.stores.mongodb import MongoDatabases, MongoDocuments  # noqa: PLC0415  # slow
    from mediatool_assets.stores.postgres_target import PostgresDatabases  # noqa: PLC0415  # slow

    found: list[MongoDatabases | PostgresDatabases] = []
    if settings.mongodb_url:
        found.append(MongoDatabases(MongoDocuments.of(settings)))
    if settings.restore_postgres_url:
        found.append(PostgresDatabases.of(settings))
    return tuple(found)
