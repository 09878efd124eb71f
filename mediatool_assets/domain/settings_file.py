"""``mediatool.toml``: settings, and references to secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.setting_fields import variable
from mediatool_assets.domain.settings import DECLARED
from mediatool_assets.domain.signing import SigningKey
from mediatool_assets.domain.urls import Url

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


@dataclass(frozen=True, slots=True)
class Reference:
    """The place of a value; ``key`` is its field if the secret is a JSON object."""

    place: Place
    name: str
    key: str | None = None


@dataclass(slots=True)
class SettingsFile:
    """The content of a file: a text or a reference for each variable, and the problems found."""

    path: Path
    values: dict[str, str | Reference] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, document: Mapping[str, object]) -> "SettingsFile":
        """Read a TOML document. ``[s3] bucket`` and ``s3_bucket`` are the same setting."""
        made = cls(path)
        for name, value in _flat(document):
            target = _variable(name)
            if target is None:
                made._add_problem(name, f"is not a setting{_did_you_mean(name)}")
            elif target in made.values:
                made._add_problem(name, "is set twice; keep one")
            else:
                try:
                    made.values[target] = made._value(name, value)
                except ValueError as error:
                    made._add_problem(name, str(error))
        return made

    def _add_problem(self, name: str, problem: str) -> None:
        self.problems.append(f"{self.path}: {name} {problem}")

    def _value(self, name: str, value: object) -> str | Reference:
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
    if name in DECLARED and name != "config":
        return variable(name)
    return name.upper() if name in _SECRETS | _OTHERS else None


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
