"""``settings``: every setting, its value, and where it is set."""

from mediatool_assets.cli.output import Json, echo, print_json
from mediatool_assets.cli.print_table import print_table
from mediatool_assets.domain.settings.parsers import variable


def settings(json: Json = False) -> None:
    """Show every setting, its value and where it is set; secrets are masked.

    The environment overrides `mediatool.toml`. If neither sets a server, running local servers are
    used. If a setting is wrong, the message names it and the exit code is 2. With several sources
    and no `--source`, it shows what they share.

    Examples:

        mediatool settings
        mediatool settings --json
    """
    from mediatool_assets.domain.settings import DECLARED
    from mediatool_assets.stores.environment import origins, shared_settings, sources

    found = origins()
    config = shared_settings()
    rows = [
        {
            "setting": name,
            "variable": variable(name),
            "value": _shown(getattr(config, name)),
            "origin": found.get(variable(name), "default"),
        }
        for name in DECLARED
    ]
    # variables of other programs; we do not know which of them are secrets
    rows += [
        {"setting": name.lower(), "variable": name, "value": "***", "origin": origin}
        for name, origin in sorted(found.items())
        if name.startswith(("AWS_", "DAGSTER_"))
    ]
    if json:
        print_json(rows)
        return
    print_table(
        ("SETTING", "VALUE", "FROM"),
        [(str(row["setting"]), row["value"] or "-", str(row["origin"])) for row in rows],
    )
    echo("each setting has a variable: MEDIATOOL_ and its name in capitals")
    for name in sources():
        echo(f"source {name} has settings of its own: `mediatool --source {name} settings`")


def _shown(value: object) -> str | None:
    """A value for display; the classes of secrets hide theirs."""
    from mediatool_assets.domain.masking.key import MaskingKey
    from mediatool_assets.domain.signing import SigningKey

    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case MaskingKey() | SigningKey():
            return "***"
        case frozenset() | tuple():
            return ", ".join(str(each) or "/" for each in sorted(value, key=str)) or None
        case float():
            return f"{value:g}"
        case _:
            return str(value)
