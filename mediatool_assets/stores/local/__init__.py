"""Real servers on this machine, from packages: PostgreSQL, MongoDB and S3, under one folder."""

from mediatool_assets.stores.local.stack import (
    ServerStatus,
    Stack,
    down,
    local_environment,
    status,
    up,
)

__all__ = ["ServerStatus", "Stack", "down", "local_environment", "status", "up"]
