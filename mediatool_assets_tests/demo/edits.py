"""The edits of a day, as the seed prints them and as a daily report tells them: to be equal."""

from collections.abc import Mapping
from typing import Any

Changes = dict[str, tuple[int, int, int]]
"""Rows added, removed and changed, of every table that is not as it was."""


def reported(report: Mapping[str, Any]) -> Changes:
    """What a daily report's JSON says; a table that is new has rows, and no change of any."""
    tables = report["previous"]["tables"]
    found = {
        name: (table["added"], table["removed"], table["changed"])
        if table["rows"]["v1"] is not None
        else (table["rows"]["v2"], 0, 0)
        for name, table in tables.items()
    }
    return {name: counts for name, counts in found.items() if any(counts)}


def printed(edits: Mapping[str, Any]) -> Changes:
    """What the seed says of one day, in a comparison's words."""
    return {
        name: (n["inserted"], n["deleted"], n["updated"] + n["soft_deleted"])
        for name, n in edits.items()
        if name != "schema"
    }
