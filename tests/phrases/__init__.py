"""Lines of words and how they must be understood, on 15 July 2026.

Each line of a set is tab-separated: the words; what is left of them; first and last day; country;
city. The last four may be missing; a trap has nothing after its words and must stay whole.

`own` was there while the rules were made. The others were written afterwards, each after the
mistakes of the one before were dealt with, and tell what unseen lines may expect: at first
`second` had 381 of 401 right and 11 of 294 traps taken, `third` 372 of 384 and 6 of 282, `fourth`
384 of 401 and 9 of 307, `fifth` 312 of 315 and 3 of 172, `sixth` 232 of 239 and 1 of 143,
`seventh` 299 of 313 and 5 of 212, `eighth` 354 of 360 and 5 of 261, `ninth` 247 of 254 and 3 of
170, `tenth` 292 of 296 and 1 of 205, `eleventh` 287 of 296 and 7 of 207, `twelfth` 323 of 329 and
6 of 242. A third and more of the last two are years of names: `thirteenth` had 261 of 313 right
and 37 of 185 traps taken, `fourteenth` 236 of 347 and 106 of 240, `fifteenth` (after these were
dealt with) 375 of 419 and 38 of 298. (A few labels that were wrong
themselves were put right later.)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from imgsearch.phrases import Filter, Understood, understand

TODAY = date(2026, 7, 15)
SETS = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.tsv"))}


@dataclass(frozen=True)
class Case:
    """A line, and what it must be understood as."""

    line: str
    text: str
    filter: Filter

    @property
    def trap(self) -> bool:
        """Must stay whole."""
        return self.filter == Filter()

    def wrong(self) -> Understood | None:
        """What the line was understood as, where that is not right."""
        got = understand(self.line, TODAY)
        return None if (got.text, got.filter) == (self.text, self.filter) else got


def read(path: Path) -> list[Case]:
    """The cases of a set. Lines that begin with # are headings."""
    cases = []
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            words, *rest = line.split("\t")
            text, first, last, country, city = [*rest, *[""] * 5][:5]
            meant = Filter(_day(first), _day(last), country or None, city or None)
            cases.append(Case(words, text if rest else words, meant))
    return cases


def _day(written: str) -> date | None:
    return date.fromisoformat(written) if written else None
