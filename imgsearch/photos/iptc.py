"""IPTC-IIM, the older way to write titles and keywords into pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imgsearch.photos import safe_text

TITLE, HEADLINE, KEYWORDS, DATE, TIME, CITY, COUNTRY, CAPTION = 5, 105, 25, 55, 60, 90, 101, 120
RESOURCE = 0x0404  # of Photoshop, which holds IIM
_CHARACTER_SET = (1, 90)
_UTF_8 = b"\x1b%G"
_LEAST_CUT = 32  # bytes: the shortest limit of a text that is cut off
_MOST_DATASETS = 2000

Datasets = Mapping[int, list[str]]  # by number within record 2


def parse(data: bytes) -> Datasets:
    """The datasets of an IPTC block. Reading stops at what is broken; what came before it
    counts."""
    found: dict[int, list[str]] = {}
    utf_8 = False
    for record, number, value in _datasets(data):
        if (record, number) == _CHARACTER_SET:
            utf_8 = value.startswith(_UTF_8)
        elif record == 2 and value:
            text = _utf_8(value) if utf_8 else safe_text.decoded(value)
            found.setdefault(number, []).append(text)
    return found


def _utf_8(value: bytes) -> str:
    """What is said to be UTF-8: without a character that was cut off at the end; or in another
    encoding all the same."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        is_cut_off = len(value) >= _LEAST_CUT and error.end == len(value)
        if is_cut_off and error.reason == "unexpected end of data":
            return value[: error.start].decode()
        return safe_text.decoded(value)


def _datasets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Record, number, value: a mark, both numbers, and the length in two bytes."""
    at = 0
    for _ in range(_MOST_DATASETS):
        if data[at : at + 1] != b"\x1c" or at + 5 > len(data):
            return
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if length >= 0x8000:  # how many bytes the length itself has: only for pictures in IIM
            return
        yield data[at + 1], data[at + 2], data[at + 5 : at + 5 + length]
        at += 5 + length


def photoshop_resource(resources: bytes, wanted: int) -> bytes:
    """One of Photoshop's image resources, by its number; empty where there is none."""
    at = 0
    while at + 12 <= len(resources) and resources[at : at + 4] == b"8BIM":
        number = int.from_bytes(resources[at + 4 : at + 6], "big")
        at += 6 + (resources[at + 6] + 2) // 2 * 2  # a name with its length, to an even number
        length = int.from_bytes(resources[at : at + 4], "big")
        if number == wanted:
            return resources[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
    return b""
