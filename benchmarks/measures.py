"""What was measured, and the table that it makes: medians, and ratios pair by pair."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter

from memory import peak_memory

OURS = "mediatool"


@dataclass(frozen=True, slots=True)
class Measure:
    """One stage once: seconds of wall time, uncompressed bytes, peak memory of our processes."""

    stage: str
    tool: str
    round: int
    seconds: float
    bytes: int = 0
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """The most that our time may be of a peer's."""

    stage: str
    tool: str
    ratio: float


TARGETS = (
    Target("export", "pg_dump -Fd -j2 -Z gzip:1, uploaded", 0.8),
    Target("export", "pg_dump -Fc, uploaded", 0.4),
    Target("transform + load", "mongoimport, 4 workers", 0.3),
    Target("load", "mongorestore, 4 workers", 0.9),
    Target("dump", "mongodump --gzip --archive", 0.3),
    Target("restore, verified", "pg_restore -j2", 1.2),
    Target("compare", "two COPY exports, DuckDB full join", 0.35),
    Target("partition", "pg_dump gzip:6, mongoimport, mongodump", 0.35),
)


class Stopwatch:
    """Runs work and keeps what it took; ``but`` are the servers' processes."""

    def __init__(self, but: Sequence[int], show: Callable[[str], None]) -> None:
        self._but, self._show = list(but), show
        self.measures: list[Measure] = []

    def ignore(self, process: int) -> None:
        """Leave the memory of one more process out."""
        self._but.append(process)

    def run(self, stage: str, tool: str, number: int, work: Callable[[], int]) -> None:
        """Measure ``work``, which returns its uncompressed bytes, or 0 where that says nothing."""
        with peak_memory(self._but) as peak:
            start = perf_counter()
            size = work()
            seconds = perf_counter() - start
        self.add(Measure(stage, tool, number, seconds, size, peak.bytes))

    def add(self, measure: Measure) -> None:
        """Keep a measure that was had in another way."""
        self.measures.append(measure)
        self._show(
            f"{measure.round}  {measure.stage:<18} {measure.tool:<40} {measure.seconds:8.2f} s"
            f" {measure.peak_bytes / 2**20:7.0f} MiB"
        )

    def seconds(self, stage: str, tool: str, number: int) -> float:
        """What a stage took in a round, all its measures together."""
        return sum(
            m.seconds for m in self.measures if (m.stage, m.tool, m.round) == (stage, tool, number)
        )

    def total(self, stage: str, number: int, parts: Iterable[tuple[str, str]], tool: str) -> None:
        """A stage that is the sum of others of its round."""
        own = [
            m
            for m in self.measures
            for part in parts
            if (m.stage, m.tool, m.round) == (*part, number)
        ]
        self.add(
            Measure(
                stage,
                tool,
                number,
                sum(m.seconds for m in own),
                peak_bytes=max(m.peak_bytes for m in own),
            )
        )


def rows(measures: Sequence[Measure]) -> Iterator[dict[str, object]]:
    """The table: one row a stage and peer, in the order in which stages were first measured.

    A stage without a peer has one row, in which the peer's figures are None.
    """
    targets = {(t.stage, t.tool): t.ratio for t in TARGETS}
    for stage in dict.fromkeys(m.stage for m in measures if m.tool == OURS):
        tools = dict.fromkeys(m.tool for m in measures if m.stage == stage and m.tool != OURS)
        own = {m.round: m for m in measures if (m.stage, m.tool) == (stage, OURS)}
        for tool in tools or (None,):
            other = {m.round: m for m in measures if (m.stage, m.tool) == (stage, tool)}
            ratios = [own[n].seconds / other[n].seconds for n in own.keys() & other.keys()]
            yield {
                "stage": stage,
                "seconds": round(median(m.seconds for m in own.values()), 2),
                "peak_mib": round(max(m.peak_bytes for m in own.values()) / 2**20),
                "peer": tool,
                "peer_seconds": round(median(m.seconds for m in other.values()), 2)
                if other
                else None,
                "ratio": round(median(ratios), 2) if ratios else None,
                "ratios": [round(ratio, 2) for ratio in sorted(ratios)],
                "target": targets.get((stage, tool)) if tool is not None else None,
            }


def markdown(table: Iterable[dict[str, object]]) -> str:
    """The table as Markdown."""
    lines = [
        "| Stage | Seconds | Peak MiB | Against | Its seconds | Ratio | At most | |",
        "|---|---:|---:|---|---:|---:|---:|---|",
    ]
    for row in table:
        target, ratio = row["target"], row["ratio"]
        verdict = ""
        if isinstance(target, float) and isinstance(ratio, float):
            verdict = "met" if ratio <= target else "missed"
        peer = f"`{row['peer']}` | {row['peer_seconds']} | {ratio}" if row["peer"] else "| |"
        lines.append(
            f"| {row['stage']} | {row['seconds']} | {row['peak_mib']} | {peer} | "
            f"{target or ''} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def plain(measures: Iterable[Measure]) -> list[dict[str, object]]:
    """Every measure, for JSON."""
    return [asdict(measure) for measure in measures]
