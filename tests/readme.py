"""Writes what the program itself knows: into the guides' reference the settings, what can go wrong
with a cluster, and how fast it was when last measured; into CONTRIBUTING the picture of its parts;
into imgsearch/share/ the manual page and completions. `python -m tests.readme`"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from imgsearch import installation
from imgsearch.output import cures
from imgsearch.settings import KNOWN
from tests import architecture, manual
from tests.benchmarks import models, results, sizing
from tests.benchmarks.__main__ import measured

ESCAPED = "\\|"  # in a cell of a table
REFERENCE = Path(__file__).parent.parent / "imgsearch" / "guides" / "reference"
CONTRIBUTING = Path(__file__).parent.parent / ".github" / "CONTRIBUTING.md"
GUIDES = (REFERENCE.parent / "elasticsearch.md", REFERENCE.parent / "models.md")
PAGES = (CONTRIBUTING, *GUIDES, *sorted(REFERENCE.glob("*.md")))


def generated(path: Path) -> str:
    """A page as it should be now."""
    text = path.read_text("utf-8")
    text = _between(text, "<!-- speed begins -->", "<!-- speed ends -->", _speed())
    text = _between(text, "<!-- sizes begin -->", "<!-- sizes end -->", sizing.tables())
    text = _between(text, "<!-- models begin -->", "<!-- models end -->", models.table())
    text = _between(text, "<!-- parts begin -->", "<!-- parts end -->", architecture.drawn())
    text = _between(text, "<!-- settings begin -->", "<!-- settings end -->", _settings())
    return _between(text, "<!-- errors begin -->", "<!-- errors end -->", _cluster_errors_table())


def _between(readme: str, begin: str, end: str, text: str) -> str:
    section = re.compile(rf"({begin}\n).*?({end})", re.DOTALL)
    return section.sub(lambda match: f"{match[1]}\n{text}\n{match[2]}", readme)


def _cluster_errors_table() -> str:
    lines = ["| what you see | what to do |", "|---|---|"]
    for seen, cure in cluster_errors():
        cells = (cell.replace("|", "\\|").replace("<", "&lt;") for cell in (seen, cure))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cluster_errors() -> Iterator[tuple[str, str]]:
    """Pairs of what the user sees and what to do, of each error about a cluster."""
    from imgsearch.index.elasticsearch.error_table import ERRORS
    from imgsearch.index.elasticsearch.text_model.errors import FAILURES

    for row in (*ERRORS.values(), *FAILURES.values()):
        how = cures.HOW[row.action].replace("{place}", "<place>") if row.action else ""
        cure = row.cure.replace("{upgrade}", f"pip install --upgrade {installation.DISTRIBUTION}")
        yield _with_names(row.seen), cures.joined(_with_names(cure), how)


def _with_names(template: str) -> str:
    """A text with the names of its values: <place> for {place}."""
    text = re.sub(r"(?<!\{)\{(\w+)[^{}]*\}", lambda found: f"<{found.group(1)}>", template)
    return text.replace("{{", "{").replace("}}", "}")


def _settings() -> str:
    lines = ["| setting | option | other variables | default | what |", "|---|---|---|---|---|"]
    for option in KNOWN.values():
        spelling = f"`{option.shown_spelling}`" if option.spelling else ""
        variables = ", ".join(f"`{name}`" for name in option.environment)
        cells = (f"`{option.name}`", spelling, variables, option.shown_default, option.help)
        lines.append(f"| {' | '.join(cell.replace('|', ESCAPED) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _speed() -> str:
    """A column for each machine, under a letter."""
    known = results.read()
    letters = [chr(ord("A") + number) for number in range(len(known))]
    machines = zip(letters, known, strict=True)
    lines = [f"- **{letter}**: {each.machine}, {each.date}" for letter, each in machines]
    lines += [
        "",
        f"| what | goal | of | {' | '.join(letters)} |",
        "|---|---|---" + "|---" * len(known) + "|",
    ]
    goals = {what: row.goal for each in known for what, row in each.rows.items()}
    for what, goal in goals.items():
        rows = [each.rows.get(what) for each in known]
        cells = [
            what,
            str(goal),
            goal.kind,
            *(measured(row).replace("missed", "**missed**") for row in rows),
        ]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(generated(page), "utf-8")
    manual.write()
