"""How many lines of each set are understood: python -m tests.phrases [SET ...]"""

from __future__ import annotations

import sys

from tests.phrases import SETS, read


def main(names: list[str]) -> None:
    """Print each mistake, and the figures of each set."""
    for name in names or SETS:
        cases = read(SETS[name])
        mistakes = [(case, got) for case in cases if (got := case.wrong())]
        for case, got in mistakes:
            print(f"{case.line!r}: {got.text!r}, {got.filter}; meant {case.text!r}, {case.filter}")
        traps = [case for case in cases if case.trap]
        taken = sum(case.trap for case, _ in mistakes)
        right = len(cases) - len(mistakes)
        print(
            f"{name}: {right} of {len(cases)} right ({right / len(cases):.3f}): "
            f"{taken} of {len(traps)} traps taken, "
            f"{len(mistakes) - taken} of {len(cases) - len(traps)} hits missed or wrong"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
