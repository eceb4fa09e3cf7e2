"""What is written beside a picture on a page: escaped as text, not yet as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsearch.escaping import shown

if TYPE_CHECKING:
    from imgsearch.index.base import Part, Record


def name(record: Record) -> str:
    """The file's name without its folder."""
    return shown(record.relative_path.rpartition("/")[2])


def clock(seconds: float) -> str:
    """ "1:23", or "1:02:03"."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def alternative_text(record: Record) -> str:
    """What is known about the picture in words."""
    taken = f", taken {record.taken_known[:10]}" if record.taken_known else ""
    return shown(f"{name(record)}{taken}")


def found_part(part: Part) -> str:
    """Which part of a photo was found, in as few words as a table has room for."""
    if part.moment is not None:
        return f"at {clock(part.moment)}"
    return "part" if part.page is None else f"page {part.page}"


def ratio(record: Record) -> float:
    """Width by height; what is not known counts as a square."""
    if record.width < 1 or record.height < 1:
        return 1.0
    return min(4.0, max(0.3, record.width / record.height))


def ratio_step(record: Record) -> int:
    """The ratio in tenths, from 3 to 40: a style sheet has a class for each."""
    return min(40, max(3, round(10 * ratio(record))))
