"""The shipped roles as they are run on the tests' servers: under names of their own."""

import json
from importlib.resources import files
from typing import Any

ACCESS = files("mediatool_assets") / "access"


def postgres_role(role: str, schema: str) -> str:
    """The SQL of the role that exports."""
    text = (ACCESS / "postgres-read-only.sql").read_text()
    return text.replace("mediatool_export", role).replace("media_tool", schema)


def restore_role(role: str) -> str:
    """The SQL of the role that restores."""
    return (ACCESS / "postgres-restore.sql").read_text().replace("mediatool_restore ", f"{role} ")


def mongodb_role(role: str) -> dict[str, Any]:
    """The command that makes the pipeline's role."""
    command: dict[str, Any] = json.loads((ACCESS / "mongodb-role.json").read_text())
    return command | {"createRole": role}
