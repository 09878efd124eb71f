"""The commands of the pairs: what each is called here, its words, and what it may answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_NOW = datetime.now(UTC)


def _version(days: int, hour: int) -> str:
    day = (_NOW - timedelta(days=days)).date()
    return f"{day:%Y%m%d}-{hour:02}0000"


def day_of(version: str) -> str:
    """The partition of a version."""
    return f"{version[:4]}-{version[4:6]}-{version[6:8]}"


OLD = _version(20, 2)
"""A daily version; ``prune`` drops its databases, of which MongoDB's is not there."""
DOOMED = _version(20, 14)
"""A test version that is old enough for ``prune``."""
PINNED = _version(20, 15)
"""Another one, which is pinned."""
FALLBACK = _version(3, 2)
"""It was promoted before."""
PROMOTED = _version(2, 2)
"""Applications use it."""
NEWEST = _version(1, 2)
"""The last daily version."""
UNFINISHED = _version(20, 1)
"""It has a raw archive only."""
OF_RDS = (_NOW - timedelta(days=30)).date().isoformat()
"""A day of which the bucket has an RDS snapshot export."""

VERSIONS: Mapping[str, str] = {
    OLD: "daily_backup",
    DOOMED: "testing",
    PINNED: "testing",
    FALLBACK: "daily_backup",
    PROMOTED: "daily_backup",
    NEWEST: "daily_backup",
}
"""The complete versions and their purposes."""


@dataclass(frozen=True)
class Command:
    """A command line. ``changes`` is false if all it writes is its own output."""

    name: str
    words: tuple[str, ...]
    changes: bool = True
    slow: bool = False


def _commands() -> tuple[Command, ...]:
    rows = "campaigns where account_id = 'a1'"
    return (
        Command("export", ("export", "--notes", "a pair"), slow=True),
        Command("export of a past day", ("export", "--date", OF_RDS), slow=True),
        Command("export --finish", ("export", "--finish", UNFINISHED), slow=True),
        Command(
            "prune", ("prune", "--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0")
        ),
        Command("promote", ("promote", DOOMED)),
        Command("rollback", ("rollback",)),
        Command("keep", ("keep", DOOMED)),
        Command("unkeep", ("unkeep", DOOMED)),
        Command("unkeep the pinned", ("unkeep", PINNED)),
        Command("annotate", ("annotate", DOOMED, "--notes", "annotated by a pair")),
        Command("restore to mongodb", ("restore", DOOMED, "--to", "mongodb", "--replace")),
        Command("first load", ("restore", OLD, "--to", "mongodb")),
        Command(
            "restore of the dump",
            ("restore", DOOMED, "--to", "mongodb", "--from", "dump", "--database", "scratch"),
        ),
        Command("restore to postgres", ("restore", DOOMED, "--to", "postgres", "--replace")),
        Command("first restore", ("restore", OLD, "--to", "postgres")),
        Command(
            "restore of tables",
            ("restore", DOOMED, "--to", "postgres", "--tables", "accounts", "--database", "people"),
        ),
        Command(
            "restore of rows",
            (
                "restore",
                DOOMED,
                "--to",
                "postgres",
                "--rows",
                rows,
                "--references",
                "--output",
                "rows.sql",
            ),
            changes=False,
        ),
        Command(
            "sanitize",
            (
                "sanitize",
                "--input",
                DOOMED,
                "--output",
                "s3://{bucket}",
                "--rules",
                "{home}/rules.yaml",
            ),
        ),
        Command("fetch", ("fetch", DOOMED), changes=False),
        Command("verify", ("verify", DOOMED)),
        Command("verify the first load", ("verify", OLD)),
        Command("verify a sample", ("verify", "latest", "--sample", "50")),
        Command("integrity", ("integrity", DOOMED, "--output", "report.json"), changes=False),
        Command(
            "compare",
            ("compare", "--version1", OLD, "--version2", DOOMED, "--output", "diff.json"),
            changes=False,
        ),
        Command("report --site", ("report", "--site", "site"), changes=False),
        Command("versions", ("versions", "--json"), changes=False),
        Command("versions --rebuild", ("versions", "--rebuild", "--json")),
        Command("latest", ("latest",), changes=False),
        Command("show", ("show", DOOMED, "--json"), changes=False),
        Command(
            "sql",
            (
                "sql",
                f"{day_of(OLD)}..{day_of(NEWEST)}",
                "SELECT version, count(*) AS n FROM plans GROUP BY ALL ORDER BY 1",
                "--format",
                "json",
            ),
            changes=False,
        ),
        Command("history", ("history", "accounts", "b2", "--json"), changes=False),
        Command("bucket apply", ("bucket", "apply")),
        Command("keys chain", ("keys", "chain"), changes=False),
        Command("keys checkpoint", ("keys", "checkpoint"), changes=False),
        Command("costs", ("costs", "--json"), changes=False),
        Command("metrics", ("metrics", "--once"), changes=False),
        Command("check", ("check", "--json"), changes=False),
    )


COMMANDS = _commands()
BY_NAME = {command.name: command for command in COMMANDS}
