"""The JSON that a platform's API answers for one entity: about 4 KB, made of fragments."""

from functools import cache

from mediatool_assets.seed.draw import Draw, uuid_of
from mediatool_assets.seed.words import AUDIENCES, BRANDS, FORMATS, PLACES, sentences

FRAGMENTS = 192
"""Different fragments of each kind; a payload draws one of each, so that payloads rarely repeat."""


def payload(draw: Draw, n: int, external_id: str) -> str:
    """Write the payload of the n-th entity, spaced as jsonb writes it."""
    unique = uuid_of("payload", n)
    account = 2**53 + 1 + 2 * n if n % 100 == 50 else 10**15 + n * 7919  # a double holds the latter
    head = (
        f'{{"id": "{external_id}", "etag": "{unique}", "revision": {draw.below(900)}, '
        f'"budgetMicros": {draw.below(10**12)}, "accountNumber": {account}, '
        f'"bid": {{"strategy": "target_cpm", "maxMicros": {draw.below(10**8)}}}, '
    )
    return (
        f'{head}"targeting": [{draw.of(_targeting())}, {draw.of(_targeting())}], '
        f'"creatives": [{draw.of(_creatives())}, {draw.of(_creatives())}], '
        f'"delivery": {draw.of(_delivery())}, "notes": "{draw.of(_notes())}"}}'
    )


@cache
def _targeting() -> tuple[str, ...]:
    return tuple(_one_targeting(Draw("targeting", n), n) for n in range(FRAGMENTS))


def _one_targeting(draw: Draw, n: int) -> str:
    segments = ", ".join(
        f'{{"segmentId": "{uuid_of("segments", n * 9 + i)}", "name": "{draw.of(AUDIENCES)}", '
        f'"exclude": {"true" if draw.chance(20) else "false"}}}'
        for i in range(6 + n % 3)
    )
    zips = ", ".join(f'"{draw.below(100_000):05d}"' for _ in range(20 + n % 9))
    return (
        f'{{"geo": "{draw.of(PLACES)}", "zips": [{zips}], "segments": [{segments}], '
        f'"devices": ["ctv", "desktop", "phone"], "ageRange": [{18 + n % 30}, {50 + n % 15}]}}'
    )


@cache
def _creatives() -> tuple[str, ...]:
    return tuple(_one_creative(Draw("creatives", n), n) for n in range(FRAGMENTS))


def _one_creative(draw: Draw, n: int) -> str:
    asset = uuid_of("assets", n)
    return (
        f'{{"creativeId": {10**15 + n * 104_729}, "format": "{draw.of(FORMATS)}", '
        f'"asset": "https://cdn.example.com/{asset}/{draw.of(BRANDS).lower()}.mp4", '
        f'"click": "https://www.example.com/?utm_source={draw.of(BRANDS)}&utm_id={asset}", '
        f'"ctr": 0.{draw.below(10**6):06d}, "status": "ACTIVE", "durationSeconds": null}}'
    )


@cache
def _delivery() -> tuple[str, ...]:
    return tuple(_one_delivery(Draw("delivery", n)) for n in range(FRAGMENTS))


def _one_delivery(draw: Draw) -> str:
    hours = ", ".join(
        f'{{"day": {day}, "impressions": {draw.below(10**6)}, "spend": {draw.below(9999)}.25}}'
        for day in range(1, 15)
    )
    return f'{{"currency": "USD", "timezone": "America/New_York", "byDay": [{hours}]}}'


@cache
def _notes() -> tuple[str, ...]:
    return tuple(sentences(Draw("notes", n), 3 + n % 3) for n in range(FRAGMENTS))
