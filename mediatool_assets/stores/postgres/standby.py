"""A source that is a hot standby: how far it is behind its primary."""

from typing import NamedTuple

from mediatool_assets.stores.postgres.connection import Connection

# A connected standby that has replayed all that it received is as new as its primary. Otherwise its
# largest possible lag is the age of the last transaction replayed.
_LAG = """
SELECT EXISTS (SELECT pid FROM pg_stat_wal_receiver),
       pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(),
       ceil(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()))::bigint
WHERE pg_is_in_recovery()
"""


class Standby(NamedTuple):
    """``lag_seconds`` is the largest possible age of the newest rows; None if unknown."""

    is_connected: bool
    lag_seconds: int | None

    @property
    def facts(self) -> dict[str, str | int | None]:
        """The same in the fields of the metadata file."""
        state = "connected" if self.is_connected else "disconnected"
        return {"standby": state, "lag_seconds": self.lag_seconds}


def read_standby(connection: Connection) -> Standby | None:
    """The server's current lag; None if it is not a standby.

    In a transaction without a snapshot, this query takes it: the lag is that of its rows.
    """
    for is_connected, has_replayed, age in connection.execute(_LAG):
        current = is_connected and has_replayed
        return Standby(is_connected, 0 if current else None if age is None else max(age, 0))
    return None
