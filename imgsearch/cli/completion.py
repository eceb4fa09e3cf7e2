"""What a shell offers for the value of an option or an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgsearch.settings.options import Option


def offered(option: Option, ctx: Any, args: list[str], incomplete: str) -> list[str]:
    """All values that may follow; the shell's own files where this is empty."""
    return [value for value in option.choices if value.startswith(incomplete)]
