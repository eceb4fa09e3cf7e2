"""What was measured is kept by machine, and the worse is what is said."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks import results
from tests.benchmarks.results import Measured
from tests.benchmarks.table import Goal, Row

FAST = Goal("photos", 3, at_least=True, peer=True)
QUICK = Goal("a question", 0.3, at_least=False, unit="s")


def _kept(*rows: Row) -> dict[str, Row]:
    return {row.goal.what: row for row in rows}


def test_a_machine_s_rows_leave_those_of_others(tmp_path: Path) -> None:
    old, new = Row(QUICK, (0.2, 0.3, 0.25)), Row(FAST, (4.0,), "a note")
    known = [Measured("A", "2026-01-01", _kept(Row(FAST, (5.0,)), old))]
    both = results.merged(known, "B", "2026-02-01", [new])
    again = results.merged(both, "A", "2026-03-01", [new])
    results.write(again, tmp_path / "results.json")
    assert results.read(tmp_path / "results.json") == [
        Measured("A", "2026-03-01", _kept(new, old)),
        Measured("B", "2026-02-01", _kept(new)),
    ]


def test_the_worse_of_two_machines_is_said() -> None:
    rows = ((Row(FAST, (5.0,)), Row(QUICK, (0.2,))), (Row(FAST, (4.0,)), Row(QUICK, (0.1,))))
    known = [Measured(name, "", _kept(*each)) for name, each in zip("AB", rows, strict=True)]
    assert results.worse(known, "photos") == 4.0
    assert results.worse(known, "a question") == 0.2


def test_a_goal_says_what_it_is_of() -> None:
    bare = Goal("photos beside bare work", 0.9, at_least=True)
    assert [each.kind for each in (FAST, QUICK, bare)] == ["peer", "figure", "machine"]
