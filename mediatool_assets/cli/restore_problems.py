"""Finds reasons why a restore of a source would fail, before anything is exported."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mediatool_assets.domain.errors import Unreachable
from mediatool_assets.domain.settings import Settings

if TYPE_CHECKING:
    from mediatool_assets.domain.ddl.restorable import RestoreScript
    from mediatool_assets.flows.infer import TableSource


def restore_problems(tables: "TableSource", config: Settings) -> list[str]:
    """A line for each problem: objects with missing dependencies, or that a restore refuses to
    make.

    If ``MEDIATOOL_RESTORE_POSTGRES_URL`` is set, a line for what that server lacks too. Objects in
    ``MEDIATOOL_RESTORE_SKIP`` are no problem.
    """
    gaps = [gap for gap in tables.schema.gaps if gap.stops_restore]
    if config.restore_postgres_url is None and not config.restore_skip:
        return list(map(str, gaps))
    from mediatool_assets.domain.ddl import restorable
    from mediatool_assets.domain.ddl.kinds import by_setting, leave_out
    from mediatool_assets.domain.ddl.skips import Skips
    from mediatool_assets.domain.ddl.tree import BadStatement

    skips = Skips(by_setting(config.restore_skip))
    try:
        script = restorable.read(tables.ddl().decode(), skips.reason)
    except BadStatement as error:
        fix = leave_out(error.of) if error.of else "see schema.sql of an archive"
        return [*map(str, gaps), f"a restore cannot create {error}; {fix}"]
    problems = [str(gap) for gap in gaps if not gap.is_of(script.skipped)]
    if config.restore_postgres_url is None:
        return problems
    return [*problems, *_of_the_server(tables, config, script)]


def restore_notes(tables: "TableSource") -> list[str]:
    """The differences between the source and a restored version."""
    from mediatool_assets.domain.source_warnings import source_warnings

    problems = {str(gap) for gap in tables.schema.gaps if gap.stops_restore}
    return [w for w in source_warnings(tables.facts, tables.schema) if w not in problems]


def _of_the_server(
    tables: "TableSource", config: Settings, script: "RestoreScript"
) -> Iterator[str]:
    from mediatool_assets.domain.postgres_release import Release
    from mediatool_assets.domain.server_needs import needs
    from mediatool_assets.stores.postgres import PostgresTarget

    version = tables.facts.get("server_version") or 0  # unknown for an RDS export
    major = Release.parse(version).major
    needed = needs(major, tables.schema, script)
    target = PostgresTarget.of(config)
    try:
        missing = list(needed.lacking(target.features()))
    except Unreachable as error:
        yield f"it is unknown whether a restore would succeed: {error}"
        return
    if missing:
        yield (
            f"{target.server} lacks {', '.join(missing)}: a restore fails; set "
            "MEDIATOOL_RESTORE_POSTGRES_URL to a server that has it "
            "(docs/reference/local-servers.md)"
        )
