"""Settings of the PostgreSQL database that is exported."""

from dataclasses import dataclass
from typing import Annotated

from mediatool_assets.domain.settings import parsers
from mediatool_assets.domain.settings.parsers import Setting
from mediatool_assets.domain.urls import Url

MAX_LAG_SECONDS = 300
"""Of a hot standby. Less than its usual lag would be an alert each night."""


@dataclass(frozen=True)
class SourceSettings:
    """The source database."""

    source: Annotated[
        str | None,
        Setting(
            parsers.matching(
                parsers.SOURCE_NAME, "a name of up to 20 lower-case letters, digits, _"
            ),
            "The source among several ([several sources](../how-to/two-databases.md)): a section "
            "`[sources.NAME]` of the settings file. `--source`, before the command, sets it.",
            otherwise="the only source; in Dagster, all sections",
        ),
    ] = None
    postgres_url: Annotated[
        Url | None,
        Setting(
            parsers.secret_url("postgresql", "postgres"),
            "URL of the source database. Connections to another machine use TLS "
            "([access.md](../how-to/access.md)).",
        ),
    ] = None
    postgres_schema: Annotated[
        str, Setting(parsers.words, "The schema to export, or several separated by commas.")
    ] = "media_tool"
    postgres_primary_url: Annotated[
        Url | None,
        Setting(
            parsers.secret_url("postgresql", "postgres"),
            "If `MEDIATOOL_POSTGRES_URL` is a hot standby: URL of its primary, which is read after "
            "the standby has canceled an export three times "
            "([standby.md](../how-to/standby.md)).",
            otherwise="the export fails after three times",
        ),
    ] = None
    postgres_max_lag_seconds: Annotated[
        int,
        Setting(
            parsers.whole("seconds", least=0),
            "If a hot standby is farther behind its primary, the version's metadata has a warning, "
            "and an alert is sent.",
        ),
    ] = MAX_LAG_SECONDS
