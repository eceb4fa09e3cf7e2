"""Errors about a cluster, made from the table of them (`error_table`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from imgsearch import installation
from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch.error_table import TROUBLES, Trouble
from imgsearch.index.elasticsearch.symptoms import Symptom

_PLACEHOLDER = re.compile(r"\{(\w+)[^}]*\}")


def trouble(row_name: str, /, **values: object) -> ImgsearchError:
    """The error of that name, to be raised."""
    row = TROUBLES[row_name]
    return row.error(row.seen.format(**values), row.cure.format(**values))


def diagnosis(symptom: Symptom, place: str) -> ImgsearchError:
    """The error for a symptom, in the words of the table."""
    name = next(
        name for name, row in TROUBLES.items() if row.recognises and row.recognises(symptom)
    )
    return trouble(
        name,
        place=place,
        reason=symptom.reason,
        status=symptom.status or "",
        type=symptom.type,
        privileges=_privileges(symptom.reason),
    )


def _privileges(reason: str) -> str:
    """What the user must be granted, as far as the server says (7.16 and later)."""
    granted = re.search(r"granted by the (index|cluster) privileges \[([^\]]+)\]", reason)
    if granted is None:
        return "imgsearch guide elasticsearch lists what ingesting and searching want."
    names = granted.group(2).replace(",", ", ")
    return f"the {granted.group(1)} privilege {names} (one of them is enough)."


_UPGRADE = "{upgrade}", f"pip install --upgrade {installation.DISTRIBUTION}"


def rows(table: Mapping[str, Trouble] = TROUBLES) -> Iterator[tuple[str, str]]:
    """Pairs of what the user sees and what to do, for the guides."""
    for row in table.values():
        yield tuple(  # type: ignore[misc] # of two
            _PLACEHOLDER.sub(lambda found: f"<{found.group(1)}>", text.replace(*_UPGRADE))
            .replace("{{", "{")
            .replace("}}", "}")
            for text in (row.seen, row.cure)
        )
