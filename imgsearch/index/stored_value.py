"""What lies in an index beside its photos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class StoredValue(Protocol):
    """A JSON value. It may be a stranger's, or damaged."""

    def read(self) -> Any:
        """None at first, and for what cannot be read."""
        ...

    def change(self, change: Callable[[Any], Any]) -> None:
        """Keeps what `change` makes of it. No other process's change is lost: where two come at the
        same moment, `change` is called again with what the other has made."""
        ...
