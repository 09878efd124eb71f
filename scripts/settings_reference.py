"""Writes docs/reference/settings.md from the declarations in mediatool_assets/core/settings.py.

make reference
"""

from dataclasses import fields
from pathlib import Path

from mediatool_assets.core.setting_values import variable
from mediatool_assets.core.settings import DECLARED, Settings

PAGE = Path(__file__).parents[1] / "docs/reference/settings.md"

_HEAD = """\
# Settings

A setting is an environment variable or a line of `mediatool.toml`; the variable wins. If none of
the servers is set, the local servers are used if they are up. All wrong and missing settings are
reported together, with exit code 2. `mediatool settings` shows each value and where it is set.

## mediatool.toml

The file is `--config FILE`, `MEDIATOOL_CONFIG`, or `mediatool.toml` in the working folder, in this
order. A key is the variable's name in lower case without `MEDIATOOL_`. A table is a prefix of its
keys: `bucket` in `[s3]` is `MEDIATOOL_S3_BUCKET`. Paths are relative to the file. `[aws]` and
`[dagster]` set the variables of AWS and of Dagster's storage. A table `[sources.NAME]` has the
settings of one of [several sources](../how-to/two-databases.md); these win over variables.

```toml
postgres_url = "postgresql://mediatool_export@db.example.com/shop"
mongodb_url = { env = "SHOP_MONGODB_URL" }
restore_postgres_url = { secretsmanager = "prod/mediatool", key = "restore_url" }
masking_key = { file = "/run/secrets/masking-key" }
schedule_hour = 4
exclude_tables = ["sessions", "cache"]

[s3]
bucket = "shop-backups"
endpoint_url = "https://s3.example.com"

[aws]
access_key_id = "mediatool"
secret_access_key = { file = "s3-secret" }
```

Secrets (a password in a URL, a key) are stored in a variable, in another file or in AWS Secrets
Manager; `mediatool.toml` only refers to them. A secret in plain text is refused. `key` selects a
field of a secret that is a JSON object. Each command that needs settings reads the secret from AWS
(`secretsmanager:GetSecretValue`).

## All settings

The table is generated from the code: `make reference`.

| Variable | Meaning | Default |
|---|---|---|
"""

_TAIL = """
These variables of other programs are used too:

| Variable | Meaning |
|---|---|
| `AWS_*` | credentials and region, as every AWS tool reads them |
| `DAGSTER_HOME` | Dagster's home, with its `dagster.yaml`; `mediatool export` uses `dagster/` in \
`MEDIATOOL_HOME` if it is not set |
| `DAGSTER_PG_HOST`, `_PORT`, `_USER`, `_PASSWORD`, `_DB` | the PostgreSQL database of Dagster's \
history; without a host, SQLite |

Secrets are the URLs of servers, the URL of the webhook except its host, `AWS_*`,
`DAGSTER_PG_PASSWORD` and `MEDIATOOL_MASKING_KEY`. They are never printed, logged or written to
metadata, reports or events.
"""


def page() -> str:
    """The whole page."""
    defaults = {field.name: field.default for field in fields(Settings)}
    rows = [
        f"| `{variable(name)}` | {declared.help} | {declared.otherwise or _default(name, value)} |"
        for name, declared in DECLARED.items()
        for value in (defaults[name],)
    ]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


def _default(name: str, value: object) -> str:
    inherited = DECLARED[name].inherits
    if inherited is not None:
        return f"`{variable(inherited)}`"
    if isinstance(value, bool):
        return "`yes`" if value else "`no`"
    if value is None:
        return "not set"
    if isinstance(value, frozenset | tuple):
        return ", ".join(f"`{name}`" for name in sorted(value)) or "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
