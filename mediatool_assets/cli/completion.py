"""Shell completion of versions, tables and collections, by their names in the bucket.

If anything goes wrong, nothing is offered or printed: completion must not print errors.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

import typer

from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.stores.environment import settings

if TYPE_CHECKING:
    from mediatool_assets.domain.metadata import Exports
    from mediatool_assets.stores.s3 import S3Objects

_NEWEST = 50  # number of versions offered

P = ParamSpec("P")
Offer = Callable[P, list[str]]


def _silent(offer: Offer[P]) -> Offer[P]:
    @wraps(offer)
    def offered(*args: P.args, **named: P.kwargs) -> list[str]:
        try:
            return offer(*args, **named)
        except MediatoolError:
            return []

    return offered


@_silent
def versions() -> list[str]:
    """``latest`` and the newest versions, newest first."""
    from mediatool_assets.flows.versions import catalog

    entries, _ = catalog.stored_registry(_objects())
    newest = [entry.version for entry in reversed(entries or ())][:_NEWEST]
    return ["latest", *newest]


@_silent
def tables(ctx: typer.Context) -> list[str]:
    """The tables of the version in the command line, or of the newest one."""
    return sorted(_exports(ctx).raw.rows)


@_silent
def collections(ctx: typer.Context) -> list[str]:
    """The collections of the version in the command line, or of the newest one."""
    return sorted(_exports(ctx).transformed.documents)


def members(ctx: typer.Context) -> list[str]:
    """The tables, or the collections if an archive other than raw is selected."""
    is_raw = ctx.params.get("kind") in (None, "raw")
    return tables(ctx) if is_raw else collections(ctx)


def several(offer: Offer[[typer.Context]]) -> Offer[[typer.Context, str]]:
    """The same for comma-separated names: the last one is completed."""

    def offered(ctx: typer.Context, incomplete: str) -> list[str]:
        before, comma, _ = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in _unused(offer(ctx), before)]

    return offered


def _unused(names: Iterable[str], before: str) -> list[str]:
    return [name for name in names if name not in before.split(",")]


def _exports(ctx: typer.Context) -> "Exports":
    from mediatool_assets.flows.versions import catalog
    from mediatool_assets.flows.versions.names import named_version

    objects = _objects()
    return catalog.read(
        objects, named_version(objects, ctx.params.get("version") or "latest")
    ).exports


def _objects() -> "S3Objects":
    from mediatool_assets.stores.s3 import S3Objects

    return replace(S3Objects.of(settings()), patient=False)
