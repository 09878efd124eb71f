"""Why a restore of a source would fail, as far as that is known before anything is exported."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mediatool_assets.domain.errors import Unreachable
from mediatool_assets.domain.settings import Settings

if TYPE_CHECKING:
    from mediatool_assets.flows.infer import Tables


def restore_problems(tables: "Tables", config: Settings) -> list[str]:
    """One for each object that needs what is not exported, and one of the server to restore to.

    Without ``MEDIATOOL_RESTORE_POSTGRES_URL`` nothing is known of the latter.
    """
    gaps = [str(gap) for gap in tables.schema.gaps if gap.stops_restore]
    if config.restore_postgres_url is None:
        return gaps
    return [*gaps, *_of_the_server(tables, config)]


def _of_the_server(tables: "Tables", config: Settings) -> Iterator[str]:
    from mediatool_assets.domain.ddl.script import entries
    from mediatool_assets.domain.postgres_release import Release
    from mediatool_assets.domain.server_needs import needs
    from mediatool_assets.stores.postgres import PostgresTarget

    version = tables.facts.get("server_version") or 0  # an RDS export does not say it
    major = Release.parse(version).major
    needed = needs(major, tables.schema, entries(tables.ddl().decode()))
    target = PostgresTarget.of(config)
    try:
        missing = list(needed.lacking(target.features()))
    except Unreachable as error:
        yield f"whether a restore would succeed is not known: {error}"
        return
    if missing:
        yield (
            f"{target.server} lacks {', '.join(missing)}: a restore fails; set "
            "MEDIATOOL_RESTORE_POSTGRES_URL to a server that has it (docs/local-servers.md)"
        )
