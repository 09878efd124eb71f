"""Files of this machine: mediatool.toml, secrets, signing keys, the masking key, the free space.

``mediatool.toml``: settings, sections of several sources, and references to secrets.

Reads ``mediatool.toml`` and the secrets that it refers to.

Files and directories that only their owner can read.

Loads the keys of the settings, from the setting itself or from files.

The masking key in a home: generated once, for users who have not set one of their own.

Detects a full disk of the local servers, whose own errors do not name the cause.
"""

import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from mediatool_assets.core.errors import BadSettings, Full, Refused
from mediatool_assets.core.setting_values import SOURCE_NAME, variable
from mediatool_assets.core.settings import DECLARED, Settings, own_names
from mediatool_assets.core.signing import (
    MaskingKey,
    PublicKey,
    SigningKey,
    TrustedKey,
    trusted_keys,
)
from mediatool_assets.core.texts import Url, suggestion
from mediatool_assets.core.version import SANITIZED_NAME

if TYPE_CHECKING:
    from mediatool_assets.core.authenticity import SignaturePolicy

FILE_NAME = "mediatool.toml"

Place = Literal["env", "file", "secretsmanager"]
"""The places of a secret: a variable, a file, AWS Secrets Manager."""

_REFERENCE = '{ env = "VARIABLE" }, { file = "PATH" } or { secretsmanager = "NAME", key = "FIELD" }'
_SECRETS = {"aws_secret_access_key", "aws_session_token", "dagster_pg_password"}
_PATHS = {"aws_ca_bundle", "dagster_home"}
_OTHERS = {
    "aws_access_key_id",
    "aws_ca_bundle",
    "aws_default_region",
    "aws_profile",
    "aws_region",
    "dagster_home",
    "dagster_pg_db",
    "dagster_pg_host",
    "dagster_pg_port",
    "dagster_pg_user",
}
"""Variables of other programs that the file may set, by their lower-case names."""

SOURCES = "sources"
"""The table of the sections, each a source of its own."""

_NOT_IN_THE_FILE = {"config", "source"}
_OF_ALL = {"first_day", "home"}
"""Settings that all sources have in common: they share one Dagster instance."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The place of a value; ``key`` is its field if the secret is a JSON object."""

    place: Place
    name: str
    key: str | None = None


Value = str | Reference


@dataclass(slots=True)
class SettingsFile:
    """The content of a file: a text or a reference for each variable, and the problems found.

    ``sources`` has the values of each section ``[sources.NAME]``.
    """

    path: Path
    values: dict[str, Value] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    sources: dict[str, dict[str, Value]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, document: Mapping[str, object]) -> "SettingsFile":
        """Read a TOML document. ``[s3] bucket`` and ``s3_bucket`` are the same setting."""
        shared = {key: value for key, value in document.items() if key != SOURCES}
        made = cls._read(path, shared)
        sections = document.get(SOURCES, {})
        if not isinstance(sections, dict):
            made._add_problem(SOURCES, f"is a table of sections; write [{SOURCES}.NAME]")
            return made
        for name, section in sections.items():
            made._add_source(name, section)
        made.problems += (f"{path}: {each}" for each in made._conflicts())
        return made

    def of_source(self, name: str) -> dict[str, Value]:
        """The section of a source, and the key prefixes of all sources that share its bucket."""
        bucket, section = variable("s3_bucket"), self.sources[name]
        mine, prefixes = section.get(bucket, self.values.get(bucket)), variable("s3_prefixes")
        others = {
            str(other[variable("s3_prefix")])
            for other in self.sources.values()
            if not _differ(mine, other.get(bucket, self.values.get(bucket)))
        }
        known = self.values.get(prefixes, ",".join(sorted(others)))
        return {prefixes: known, **section}

    def _add_source(self, name: str, section: object) -> None:
        title = f"[{SOURCES}.{name}]"
        if not isinstance(section, dict) or not re.fullmatch(SOURCE_NAME, name):
            self._add_problem(
                title, "is not a table whose name has up to 20 lower-case letters, digits and _"
            )
            return
        names, read = own_names(name), self._read(self.path, section, name)
        self.problems += read.problems
        for setting, usual in names.items():
            if isinstance(read.values.setdefault(variable(setting), str(usual)), Reference):
                self._add_problem(f"{title} {setting}", "has to be a text, not a reference")
                read.values[variable(setting)] = str(usual)
            if self.values.pop(variable(setting), None) is not None:
                self._add_problem(
                    setting, f"is another for each source; set it in [{SOURCES}.NAME]"
                )
        self.sources[name] = read.values

    def _conflicts(self) -> Iterator[str]:
        """Where two sources would have the same objects or databases."""
        for (one, mine), (other, theirs) in combinations(self.sources.items(), 2):
            for setting in own_names(one):
                name = variable(setting)
                if setting == "s3_prefix":
                    bucket = variable("s3_bucket")
                    places = (each.get(bucket, self.values.get(bucket)) for each in (mine, theirs))
                    is_shared = _nested(str(mine[name]), str(theirs[name])) and not _differ(*places)
                else:
                    is_shared = _same_databases(str(mine[name]), str(theirs[name]))
                if is_shared:
                    yield (
                        f"[{SOURCES}.{one}] and [{SOURCES}.{other}] have the {setting} "
                        f"{mine[name]!r} and {theirs[name]!r}: each source needs its own"
                    )

    @classmethod
    def _read(
        cls, path: Path, document: Mapping[str, object], source: str | None = None
    ) -> "SettingsFile":
        """The settings of a document: all of the file, or of the section of a source."""
        made = cls(path)
        for name, value in _flat(document):
            target, where = _variable(name), f"[{SOURCES}.{source}] {name}" if source else name
            if target is None:
                made._add_problem(where, f"is not a setting{_did_you_mean(name)}")
            elif source and (name in _OF_ALL or name not in DECLARED):
                made._add_problem(where, "is the same for all sources; set it above them")
            elif target in made.values:
                made._add_problem(where, "is set twice; keep one")
            else:
                try:
                    made.values[target] = made._value(name, value)
                except ValueError as error:
                    made._add_problem(where, str(error))
        return made

    def _add_problem(self, name: str, problem: str) -> None:
        self.problems.append(f"{self.path}: {name} {problem}")

    def _value(self, name: str, value: object) -> Value:
        """The value in the form of its variable; raises ValueError with the problem."""
        if isinstance(value, dict):
            return self._reference(value)
        declared = DECLARED.get(name)
        text = _text(value, declared.separator if declared else ",")
        if declared is None:
            if name in _SECRETS:
                raise ValueError(_in_plain_text(name))
            return str(self.path.parent / text) if name in _PATHS else text
        parsed = declared.parse(text)
        if isinstance(parsed, MaskingKey | SigningKey) or (
            isinstance(parsed, Url) and str(parsed) != text
        ):
            raise ValueError(_in_plain_text(name))
        return str(self.path.parent / parsed) if isinstance(parsed, Path) else text

    def _reference(self, value: Mapping[str, object]) -> Reference:
        places = [place for place in get_args(Place) if place in value]
        name, key = (value.get(n) for n in (places[0] if places else "", "key"))
        known = {*places, "key"} if places == ["secretsmanager"] else {*places}
        if (
            len(places) != 1
            or set(value) - known
            or not (isinstance(name, str) and name.strip() and isinstance(key, str | None))
        ):
            raise ValueError(f"is not a reference to a secret; write {_REFERENCE}")
        if places == ["file"]:
            name = str(self.path.parent / name)
        return Reference(places[0], name, key)


def _flat(document: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Names and values; names in a table get its name as a prefix: ``s3_bucket``."""
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and _variable(name) is None:
            yield from _flat(value, f"{name}_")
        else:
            yield name, value


def _variable(name: str) -> str | None:
    """The environment variable for a name in the file; None if there is none."""
    if name in DECLARED and name not in _NOT_IN_THE_FILE:
        return variable(name)
    return name.upper() if name in _SECRETS | _OTHERS else None


def _differ(one: Value | None, other: Value | None) -> bool:
    """Whether two values are known to differ."""
    return isinstance(one, str) and isinstance(other, str) and one != other


def _nested(one: str, other: str) -> bool:
    """Whether one key prefix is below the other; only one source can have ``/``."""
    if "/" in (one, other):
        return one == other
    return one.startswith(other) or other.startswith(one)


def _same_databases(one: str, other: str) -> bool:
    """Whether databases with these prefixes can have the same name, on whatever server."""
    return one == other or SANITIZED_NAME in (one.removeprefix(other), other.removeprefix(one))


def _did_you_mean(name: str) -> str:
    close = get_close_matches(name, [*DECLARED, *_SECRETS, *_OTHERS], n=1)
    return f"; did you mean {close[0]}?" if close else "; `mediatool settings` lists them"


def _text(value: object, separator: str) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return separator.join(_text(item, separator) for item in value)
        case dict():
            raise ValueError("must be a text or a number, not a table")
        case _:
            return str(value)


def _in_plain_text(name: str) -> str:
    return (
        f"holds a secret in plain text; write {name} = {_REFERENCE}, and change the secret where "
        "others could read the file"
    )


def find_settings_file(environ: Mapping[str, str]) -> SettingsFile | None:
    """The file in ``MEDIATOOL_CONFIG``, else the one in the working folder; None if there is none.

    Raises BadSettings if the named file does not exist, or is not TOML.
    """
    named = environ.get("MEDIATOOL_CONFIG", "").strip()
    path = Path(named or FILE_NAME).absolute()
    if not named and not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return SettingsFile.of(path, tomllib.load(file))
    except OSError as error:
        problem = f"MEDIATOOL_CONFIG: {path}: {error.strerror}; `mediatool init` writes one"
        raise BadSettings([problem]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings([f"{path} is not TOML: {error}"]) from error


def adopt(
    found: SettingsFile, environ: MutableMapping[str, str], source: str | None = None
) -> list[str]:
    """Add the file's values to ``environ``, where it has none; returns the problems found.

    Those of the source's section replace what is there: a variable of another source must not send
    its rows elsewhere. Secrets in AWS come last: the file may contain the credentials to read them.
    """
    problems = list(found.problems)
    values = {n: v for n, v in found.values.items() if not environ.get(n, "").strip()}
    if source in found.sources:
        values |= found.of_source(source)
    elif source and found.sources:
        hint = suggestion(source, found.sources)
        problems.append(f"{found.path}: there is no source {source}; {hint}")
    from_aws = [
        name
        for name, value in values.items()
        if isinstance(value, Reference) and value.place == "secretsmanager"
    ]
    for name in [*(n for n in values if n not in from_aws), *from_aws]:
        value = values[name]
        try:
            environ[name] = resolve(value, environ) if isinstance(value, Reference) else value
        except ValueError as error:
            problems.append(f"{found.path}: {name} {error}")
    return problems


def resolve(reference: Reference, environ: Mapping[str, str]) -> str:
    """The text that is referred to; raises ValueError, which names the place and not the text."""
    name = reference.name
    match reference.place:
        case "env":
            if not (text := environ.get(name, "").strip()):
                raise ValueError(f"refers to the variable {name}, which is not set")
        case "file":
            try:
                text = Path(name).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise ValueError(f"refers to the file {name}: {reason}") from error
        case "secretsmanager":
            text = _of_aws(name, reference.key)
    if not text:
        raise ValueError(f"refers to {name}, which is empty")
    return text


def _of_aws(name: str, key: str | None) -> str:
    import boto3  # noqa: PLC0415  # slow
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # slow

    try:
        client = boto3.session.Session().client("secretsmanager")
        text = str(client.get_secret_value(SecretId=name).get("SecretString", "")).strip()
        client.close()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise ValueError(
            f"refers to the secret {name}: AWS Secrets Manager answered {code}; the AWS identity "
            "in use needs secretsmanager:GetSecretValue of it"
        ) from error
    except BotoCoreError as error:
        raise ValueError(
            f"refers to the secret {name}: AWS Secrets Manager: {error}; check AWS's variables "
            "and region"
        ) from error
    if key is None:
        return text
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"refers to {key} of the secret {name}, which has no such field") from None


OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The part of a file mode that is not the owner's."""


def private_directory(path: Path) -> Path:
    """Create a directory with mode 0700; an existing one is unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    return path


def owner_only(path: str, flags: int) -> int:
    """An ``opener`` for ``open``: a file that it creates has mode 0600."""
    return os.open(path, flags, 0o600)


def write_private(path: Path, text: str, owner: int | None = None) -> None:
    """Write a file with mode 0600, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(draft, "x", opener=owner_only) as file:
        file.write(text)
    if owner is not None:
        os.chown(draft, owner, owner)
    draft.replace(path)


SIGNING_KEY, TRUSTED_KEYS = "signing.key", "trusted.keys"
"""The names of the two files of a pair."""


def signing_key(settings: Settings) -> SigningKey | None:
    """The signing key; raises BadSettings if its file cannot be used."""
    given = settings.signing_key
    if not isinstance(given, Path):
        return given
    try:
        if given.stat().st_mode & 0o077:
            raise BadSettings(
                [f"{given} (MEDIATOOL_SIGNING_KEY) can be read by others; `chmod 600 {given}`"]
            )
        return SigningKey.parse(given.read_text())
    except OSError as error:
        raise BadSettings([f"MEDIATOOL_SIGNING_KEY names {given}: {error.strerror}"]) from error
    except ValueError as error:
        raise BadSettings([f"{given} (MEDIATOOL_SIGNING_KEY) {error}"]) from error


def signature_policy(
    settings: Settings, *, allow_unsigned: bool, is_maker: bool
) -> "SignaturePolicy":
    """The trusted keys; raises BadSettings if their file cannot be used."""
    from mediatool_assets.core.authenticity import SignaturePolicy  # noqa: PLC0415  # slow

    return SignaturePolicy(_trusted(settings.trusted_keys), allow_unsigned, is_maker)


def _trusted(given: tuple[TrustedKey, ...] | Path | None) -> tuple[TrustedKey, ...]:
    if not isinstance(given, Path):
        return given or ()
    try:
        return trusted_keys(given.read_text())
    except OSError as error:
        raise BadSettings([f"MEDIATOOL_TRUSTED_KEYS names {given}: {error.strerror}"]) from error
    except ValueError as error:
        raise BadSettings([f"{given} (MEDIATOOL_TRUSTED_KEYS) {error}"]) from error


def write_pair(folder: Path, key: SigningKey) -> PublicKey:
    """Write ``signing.key``, readable only by its owner, and ``trusted.keys``; raises Refused.

    An existing secret key is never replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / SIGNING_KEY
    try:
        with open(secret, "x", opener=owner_only) as file:
            file.write(key.reveal() + "\n")
    except FileExistsError as error:
        raise Refused(f"{secret} already exists; move it, or name another folder") from error
    (folder / TRUSTED_KEYS).write_text(f"{key.public}\n")
    return key.public


_NAME = "masking.key"


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key in a file that only its owner can read; ``is_new`` if this call generated it."""

    key: MaskingKey
    path: Path
    is_new: bool


def kept_key(home: Path) -> KeptKey:
    """The key in ``home``; generated by the first call, and never changed.

    Concurrent calls return the same key. Raises BadSettings if the file contains something else, or
    others can read it.
    """
    path = home / _NAME
    if path.exists():
        return KeptKey(_read(path), path, is_new=False)
    private_directory(home)
    handle, draft = tempfile.mkstemp(dir=home, prefix=f".{_NAME}.")  # with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(handle)
        os.link(draft, path)
    except FileExistsError:
        return KeptKey(_read(path), path, is_new=False)
    finally:
        Path(draft).unlink()
    return KeptKey(_read(path), path, is_new=True)


def _read(path: Path) -> MaskingKey:
    if path.stat().st_mode & 0o077:
        raise BadSettings([f"{path} can be read by others; `chmod 600 {path}`, or make a new key"])
    try:
        return MaskingKey.parse(path.read_text())
    except ValueError as error:
        raise BadSettings([f"the key in {path} {error}; or set MEDIATOOL_MASKING_KEY"]) from error


def local_folder() -> Path:
    """The folder of the local servers, once the settings file is in the environment."""
    return Path(os.environ.get("MEDIATOOL_HOME", "").strip() or ".mediatool").absolute()


_LOCAL = {"127.0.0.1", "localhost", "::1"}
_ENOUGH = 256 << 20
"""Free bytes. mongod stops without room for a journal file of 100 MiB, SeaweedFS at 1 % free."""


def full_disk(server: str) -> Full | None:
    """The error to raise if a server on this machine fails because the disk is full; else None.

    ``server`` is a URL, or ``host:port``.
    """
    where = local_folder()
    host = urlsplit(server if "://" in server else f"//{server}").hostname
    if host not in _LOCAL or not where.is_dir():
        return None
    free = shutil.disk_usage(where).free
    if free >= _ENOUGH:
        return None
    return Full(
        f"the disk of {where} is full ({free >> 20} MiB are free), and the server at {server} "
        "cannot go on; make room there, then `mediatool up`, and run it again"
    )
