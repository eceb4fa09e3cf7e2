"""Errors about a cluster, made from the table of them (`error_table`)."""

from __future__ import annotations

import re

from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch.client_exceptions import Symptom
from imgsearch.index.elasticsearch.error_table import ERRORS


def cluster_error(row_name: str, /, **values: object) -> ImgsearchError:
    """The error of that name, to be raised."""
    return ERRORS[row_name].made(values)


def diagnosis(symptom: Symptom, place: str) -> ImgsearchError:
    """The error for a symptom, in the words of the table."""
    name = next(name for name, row in ERRORS.items() if row.recognises and row.recognises(symptom))
    return cluster_error(
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
