"""Commands that messages propose, as they have to be typed here."""

from __future__ import annotations

import re
import shlex

from imgsearch.escaping import shown

# of the commands that work with an index
_COMMAND = re.compile(
    r"\bimgsearch (?=(?:setup-model|ingest|query|similar|open|serve|status|doctor|remove)\b)"
)


def with_index(text: str, index: str | None) -> str:
    """The text, with the index in each command that it proposes. `index`: as the command line named
    it; None where the settings name it, for they will the next time too."""
    if index is None:
        return text
    return _COMMAND.sub(lambda _: f"imgsearch --index {shlex.quote(shown(index))} ", text)
