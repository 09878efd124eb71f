"""Runs pairs of commands on one home, and judges each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from pathlib import Path

from mediatool_assets_tests.drills.pairs.commands import COMMANDS, Command
from mediatool_assets_tests.drills.pairs.oracle import judge
from mediatool_assets_tests.drills.pairs.starter import Ended, Starter
from mediatool_assets_tests.drills.pairs.state import Clients, Versions, World

PATIENCE_SECONDS = 900.0

Pair = tuple[Command, Command]


def pairs(commands: Iterable[Command] = COMMANDS) -> Iterator[Pair]:
    """Every unordered pair, and each command beside itself."""
    yield from combinations_with_replacement(tuple(commands), 2)


@dataclass(frozen=True)
class Outcome:
    """What a pair came to."""

    pair: tuple[str, str]
    ended: tuple[Ended, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        codes = "/".join(str(one.code) for one in self.ended)
        seconds = max(one.seconds for one in self.ended)
        lines = [f"{' + '.join(self.pair)}: {codes} in {seconds:.1f} s"]
        lines += [f"    {one.words[0]}: {one.err.strip()[-400:]}" for one in self.ended if one.code]
        return "\n".join([*lines, *(f"  PROBLEM {problem}" for problem in self.problems)])


@dataclass
class Drill:
    """A home whose state is undone after each pair."""

    environment: Mapping[str, str]
    starter: Starter
    folder: Path
    versions: Versions
    number: int = 0
    clients: Clients = field(init=False)
    golden: World = field(init=False)

    def __post_init__(self) -> None:
        """Remember the state of the home."""
        self.clients = Clients(self.environment)
        self.golden = self.clients.world(self.versions)

    def run(self, pair: Pair, delays: tuple[float, float] = (0.0, 0.0)) -> Outcome:
        """Start both at the same moment, judge, and undo."""
        self.number += 1
        place = self.folder / f"{self.number}"
        scratch = place / "tmp"
        scratch.mkdir(parents=True)
        own = {"bucket": self.clients.bucket, "home": self.environment["MEDIATOOL_HOME"]}
        words = [[word.format(**own) if "{" in word else word for word in c.words] for c in pair]
        environment = {**self.environment, "TMPDIR": str(scratch)}
        ended = self.starter.together(words, place, environment, PATIENCE_SECONDS, delays)
        now = self.clients.world(self.versions)
        names = (pair[0].name, pair[1].name)
        left = [path.name for path in scratch.iterdir() if not path.name.startswith("pymp-")]
        problems = judge(self.golden, now, ended, names)
        problems += [f"{name} is left in the scratch folder" for name in left]
        self._undo(now, place)
        return Outcome(names, tuple(ended), tuple(problems))

    def _undo(self, now: World, place: Path) -> None:
        Path(self.environment["MEDIATOOL_HOME"], "masking.key").unlink(missing_ok=True)
        gone = self.clients.undo(now, self.golden)
        restores = [
            ["restore", name.removeprefix("media_tool_"), "--to", "postgres"] for name in gone
        ]
        if restores:
            done = self.starter.together(
                restores, place / "undo", self.environment, PATIENCE_SECONDS, [0.0] * len(restores)
            )
            assert all(one.code == 0 for one in done), done
            self.clients.undo(self.clients.world(self.versions), self.golden)


def table(outcomes: Iterable[Outcome]) -> str:
    """How often each command ended with which code, and all pairs with a problem."""
    found = list(outcomes)
    codes = Counter(
        (name, one.code) for o in found for name, one in zip(o.pair, o.ended, strict=True)
    )
    lines = [f"{name}: {count} times {code}" for (name, code), count in sorted(codes.items())]
    bad = [o for o in found if o.problems]
    return "\n".join([*lines, *map(str, bad), f"{len(found)} pairs, {len(bad)} with a problem"])
