"""Reads ``mediatool.toml`` and the secrets that it refers to."""

import json
import tomllib
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.settings_file import FILE_NAME, Reference, SettingsFile
from mediatool_assets.domain.suggestions import suggestion


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
