"""Random damage to what strangers write: metadata, the structure of pictures, names of files. Run
with `-m fuzz`, each for IMGSEARCH_FUZZ_SECONDS (600). What once failed is in `test_damage.py`."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import random
import resource
import signal
import struct
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, Verbosity, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from imgsearch import photos
from imgsearch.ocr import text_lines
from imgsearch.photos import (
    dates,
    decode,
    film_facts,
    films,
    formats,
    hevc,
    metadata,
    multi_page,
    safe_text,
    sidecars,
    tiff_directories,
    walk,
    xmp,
)
from imgsearch.photos.metadata import Metadata
from tests import films as made_films
from tests import heif_files, pictures
from tests.test_descriptions import FULL, _iim, _jpeg_with_iim

SECONDS = float(os.environ.get("IMGSEARCH_FUZZ_SECONDS", "600"))
CASE_SECONDS = 5  # of processor time, so that a busy machine does not fail
MEMORY = 1_500_000_000  # bytes
BATCH = 300

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(2 * SECONDS + 120)]


@contextlib.contextmanager
def _limits(data: object) -> Iterator[None]:
    """Fails where a case takes too long or the process has grown too large; says which case."""

    def too_long(*_: Any) -> None:
        raise TimeoutError(f"{CASE_SECONDS} s of processor time")

    before = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, CASE_SECONDS)
    try:
        yield
    except BaseException:
        shown = base64.b64encode(data).decode() if isinstance(data, bytes) else ascii(data)
        print("the case (bytes in base64):", shown)
        raise
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MEMORY


def _for_a_while(strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Batch after batch, each from another seed that the failure names."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        number = random.getrandbits(32)

        @seed(number)
        @settings(
            max_examples=BATCH, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), print_blob=False,
            verbosity=Verbosity.quiet,  # a case is bytes, shown below in base64
        )  # fmt: skip
        @given(strategy)
        def batch(case: Any) -> None:
            if time.monotonic() < end:
                check(case)

        batch()


# what a case may look like

SMALL = pictures.photo(size=(40, 30))
PIXELS = np.asarray(SMALL)
ODD_NUMBERS = [0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 1 << 31, 0xFFFFFFFF]


def _damaged(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds with numbers overwritten, parts cut out, doubled, swapped or cut off."""
    place = st.floats(0, 1, exclude_max=True)
    head = st.floats(0, 0.1)
    change = st.one_of(
        st.tuples(st.just("byte"), place | head, st.integers(0, 255)),
        st.tuples(st.just("<I"), place | head, st.sampled_from(ODD_NUMBERS)),
        st.tuples(st.just(">I"), place | head, st.sampled_from(ODD_NUMBERS)),
        st.tuples(st.just("cut"), place, st.integers(1, 40)),
        st.tuples(st.just("double"), place, st.integers(1, 40)),
        st.tuples(st.just("end"), place, st.just(0)),
        st.tuples(st.just("zero"), place, st.integers(1, 400)),
    )
    return st.builds(_changed, st.sampled_from(seeds), st.lists(change, min_size=1, max_size=8))


def _changed(data: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    made = bytearray(data)
    for kind, place, number in changes:
        at = int(place * len(made))
        if kind == "byte" and made:
            made[at] = number
        elif kind in ("<I", ">I"):
            made[at : at + 4] = struct.pack(kind, number)
        elif kind == "cut":
            del made[at : at + number]
        elif kind == "double":
            made[at:at] = made[at : at + number]
        elif kind == "zero":
            made[at : at + number] = bytes(min(number, len(made) - at))
        elif kind == "end":
            del made[at:]
    return bytes(made)


def _directories(tags: list[int]) -> st.SearchStrategy[bytes]:
    """TIFF structures, classic or big, of both byte orders: any types, counts and offsets."""
    number = st.sampled_from(ODD_NUMBERS) | st.integers(0, 400)
    entry = st.tuples(st.sampled_from(tags), st.integers(0, 18), number, number)
    directory = st.lists(entry, max_size=20)
    return st.builds(
        _tiff_of, st.sampled_from("<>"), st.booleans(), st.lists(directory, min_size=1, max_size=3),
        st.binary(max_size=300), number,
    )  # fmt: skip


def _tiff_of(
    order: str, big: bool, directories: list[list[tuple[int, ...]]], rest: bytes, following: int
) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    made = mark + (
        struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    )
    for at, entries in enumerate(directories):
        made += struct.pack(order + ("Q" if big else "H"), len(entries))
        for tag, kind, count, value in sorted(entries):
            made += struct.pack(order + ("HHQQ" if big else "HHII"), tag, kind, count, value)
        last = at == len(directories) - 1
        after = following if last else len(made) + (8 if big else 4)
        made += struct.pack(order + ("Q" if big else "I"), after)
    return made + rest


EXIF_TAGS = [
    270, 271, 272, 274, 305, 306, 700, 33723, 34377, 34665, 34853, 40091, 40094, 18246, 0x9003,
    0x9004, 0x9010, 0x9011, 0xA434, 1, 2, 3, 4, 7, 29, 40965,
]  # fmt: skip
PICTURE_TAGS = [
    254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324,
    325, 330, 338, 339, 347, 529, 530, 531, 532, 34675, 42113, 34665, 700, 50706,
]  # fmt: skip
TEXT = st.text(max_size=60) | st.sampled_from(["2019", "2019:05:01 02:30:45 PM", "<a>", "\x1b]0;"])


def _check_metadata(found: Metadata) -> None:
    texts = [found.camera, found.lens, found.title, found.caption, found.stated_city]
    for text in [*texts, found.stated_country, *found.keywords]:
        assert text is None or (text and len(text) <= safe_text.CAPTION)
        assert text is None or not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)
    assert len(found.keywords) <= safe_text.KEYWORDS
    if found.taken is not None:
        assert datetime.fromisoformat(found.taken).year >= 1000
        assert found.taken_precision
        assert found.taken_source
    assert found.latitude is None or -90 <= found.latitude <= 90
    assert found.longitude is None or -180 <= found.longitude <= 180
    assert found.rating in (None, -1, 1, 2, 3, 4, 5)


def _decode(data: bytes) -> None:
    with _limits(data), contextlib.suppress(decode.Undecodable):  # and nothing else
        if formats.looks_like_picture(data[: formats.HEAD_BYTES], "x.jpg") or data:
            _check_metadata(decode.decode(data, target=64, max_megapixels=5).metadata)


# the fuzzers


def test_exif() -> None:
    def check(exif: bytes) -> None:
        segment = b"Exif\0\0" + exif
        plain = pictures.encoded(SMALL, ".jpg")
        size = (len(segment) + 2).to_bytes(2, "big")
        _decode(plain[:2] + b"\xff\xe1" + size + segment + plain[2:])

    whole = pictures.exif(
        Make="Canon", Model="Canon R5", Orientation=6, ImageDescription="A boat",
        exif={0x9003: "2024:05:01 12:30:00", 0x9011: "+02:00", 0xA434: "RF 35mm"},
        gps={1: "N", 2: (48.0, 51.0, 0.0), 3: "E", 4: (2.0, 21.0, 0.0), 29: "2024:05:01"},
    ).tobytes()[6:]  # fmt: skip
    _for_a_while(_damaged([whole]) | _directories(EXIF_TAGS), check)


def test_xmp() -> None:
    def check(packet: bytes) -> None:
        with _limits(packet):
            plain = Metadata(format="JPEG", width=1, height=1)
            _check_metadata(metadata.completed(plain, sidecar=packet))

    names = st.sampled_from(
        ["rdf:RDF", "rdf:Description", "rdf:li", "rdf:Bag", "dc:title", "dc:subject", "xmp:Rating"]
    )
    start = b"<x xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'"
    start += (
        b" xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:xmp='http://ns.adobe.com/xap/1.0/'>"
    )
    piece = st.one_of(
        names.map(lambda name: f"<{name}>"), names.map(lambda name: f"</{name}>"),
        names.map(lambda name: f"<{name} xmp:Rating='3'/>"), TEXT,
        st.sampled_from(["<!DOCTYPE x [<!ENTITY a 'b'>]>", "&a;", "<![CDATA[", "]]>", "<!--"]),
    )  # fmt: skip
    made = st.lists(piece, max_size=60).map(
        lambda pieces: start + "".join(pieces).encode("utf-8", "replace")
    )
    _for_a_while(_damaged([FULL, FULL.decode().encode("utf-16")]) | made | st.binary(), check)


def test_iptc() -> None:
    whole = _iim(_1_90=[b"\x1b%G"], _2_5=[b"Title"], _2_25=[b"one", "zwölf".encode()])
    whole += _iim(_2_55=[b"20190714"], _2_60=[b"123045+0200"], _2_120=[b"Caption"])
    sets = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=20)
    made = sets.map(lambda each: b"".join(_iim(**{f"_2_{n}": [value]}) for n, value in each))
    jpeg = _jpeg_with_iim(whole)
    _for_a_while(made.map(_jpeg_with_iim) | _damaged([jpeg]), _decode)


def test_words_and_dates() -> None:
    def check(text: str) -> None:
        with _limits(text):
            for moment in (dates.parse(text, text), dates.of_name(text)):
                assert moment is None or datetime.fromisoformat(moment.taken)
            dates.parse_offset(text)
            xmp.degrees(text, {"N": 1, "S": -1})
            safe_text.clean(safe_text.decoded(text.encode("utf-16-le", "surrogatepass")))

    digits = st.from_regex(r"[A-Za-z]{0,6}[-_ ]?(19|20)?\d{0,16}([-_:. ]\d{1,6}){0,7}( [AP]M)?")
    _for_a_while(st.text() | digits, check)


def _tiff(values: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return buffer.getvalue()


def test_tiff() -> None:
    grey, deep = PIXELS[..., 0], PIXELS.astype(np.uint16) * 257
    seeds = [
        _tiff(np.moveaxis(deep, -1, 0), photometric="rgb", planarconfig="separate"),
        _tiff(
            grey.astype(np.float32), photometric="minisblack", compression="zlib", predictor=True
        ),
        _tiff(grey.astype(np.float64), tile=(16, 16), photometric="miniswhite"),
        _tiff(PIXELS, photometric="rgb", bigtiff=True, byteorder=">", compression="lzw"),
        _tiff(PIXELS, photometric="rgb", compression="zstd"),
        _tiff(PIXELS, photometric="ycbcr", compression="jpeg"),
        _tiff(PIXELS, photometric="cielab"),
        _tiff(np.dstack([deep, deep[..., 0]]), photometric="separated", planarconfig="contig"),
        _tiff(grey, photometric="palette", colormap=np.zeros((3, 256), np.uint16)),
        pictures.encoded(SMALL, ".tiff"),
        pictures.encoded(SMALL, ".tif", compression="jpeg"),
        pictures.encoded(SMALL.convert("1"), ".tif", compression="group4"),
    ]
    _for_a_while(_damaged(seeds) | _directories(PICTURE_TAGS), _decode)


def test_png() -> None:
    seeds = [
        pictures.encoded(SMALL.convert(mode), ".png")
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA")
    ]
    seeds += [
        pictures.encoded(SMALL, ".png", exif=pictures.exif(Orientation=6), dpi=(72, 72)),
        pictures.encoded(SMALL, ".png", icc_profile=pictures.swapped_profile()),
        pictures.encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16)), ".png", transparency=7),
        pictures.encoded(SMALL, ".png", save_all=True, append_images=[SMALL]),
    ]
    _for_a_while(_damaged(seeds), _decode)


def test_jpeg() -> None:
    seeds = [
        pictures.encoded(SMALL, ".jpg"),
        pictures.encoded(SMALL, ".jpg", progressive=True),
        pictures.encoded(SMALL.convert("L"), ".jpg", restart_marker_rows=1),
        pictures.encoded(SMALL.convert("CMYK"), ".jpg"),
        pictures.encoded(SMALL, ".jpg", xmp=FULL, icc_profile=pictures.swapped_profile()),
        pictures.encoded(SMALL, ".mpo", save_all=True, append_images=[SMALL]),
    ]
    _for_a_while(_damaged(seeds), _decode)


def test_other_formats() -> None:
    pam = b"P7\nWIDTH 40\nHEIGHT 30\nDEPTH 3\nMAXVAL 255\nENDHDR\n" + PIXELS.tobytes()
    pfm = b"PF\n40 30\n-1.0\n" + PIXELS.astype("<f4").tobytes()
    seeds = [pam, pfm, pictures.dng(SMALL)]
    seeds += [
        pictures.photoshop(SMALL, depth=depth, large=large, packed=packed)
        for depth in (8, 16, 32) for large in (False, True) for packed in (False, True)
    ]  # fmt: skip
    seeds += [pictures.encoded(SMALL.resize((64, 64)), ending) for ending in pictures.FORMATS]
    _for_a_while(_damaged(seeds), _decode)


def test_heic() -> None:
    """Whatever FFmpeg makes of damage, its picture has the size that libheif's has."""
    photo = pictures.photo(size=(256, 192))
    grid = heif_files.grid(photo, (64, 64))
    turned = replace(grid, own=[heif_files.turn(1)], essential=True)
    seeds = [grid.data(), turned.data(), heif_files.encoded(photo)]

    def size(data: bytes) -> tuple[int, int] | None:
        with contextlib.suppress(decode.Undecodable):  # and nothing else
            found = decode.decode(data, target=32, max_megapixels=5).metadata
            return found.width, found.height
        return None

    def check(data: bytes) -> None:
        with _limits(data):
            found = size(data)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(hevc, "reduced", lambda *_: None)
                without = size(data)
            assert None in (found, without) or found == without

    _for_a_while(_damaged(seeds), check)


def test_names_of_files(tmp_path: Path) -> None:
    part = st.binary(min_size=1, max_size=60).map(
        lambda raw: raw.replace(b"/", b"%").replace(b"\0", b"\n")
    ) | st.text(min_size=1, max_size=30).map(
        lambda text: text.encode("utf-8", "surrogatepass").replace(b"/", b"[").replace(b"\0", b"*")
    )
    names = st.lists(part | part.map(lambda raw: raw + b".xmp"), min_size=1, max_size=4)
    data = pictures.encoded(Image.new("RGB", (1, 1)), ".png")

    def check(raw: list[bytes]) -> None:
        with _limits(b"\0".join(raw)):
            for name in raw:
                text, escaped = photos.path_text(name)
                assert photos.path_bytes(text, escaped) == name
                text.encode()
                formats.has_picture_ending(os.fsdecode(name))
                dates.of_name(os.fsdecode(name))
                photos.photo_id(text, name)
            assert set(sidecars.belonging(raw)) <= set(raw)
            _walked(raw)

    def _walked(raw: list[bytes]) -> None:
        folder = tmp_path / str(random.getrandbits(64))
        folder.mkdir()
        made = set()
        for name in raw:
            with contextlib.suppress(OSError):  # ".", "..", or too long
                with open(os.path.join(os.fsencode(folder), name), "wb") as file:
                    file.write(data)
                made.add(name)
        pattern = os.fsdecode(raw[0])
        found = {each.relative for each in walk.walk(str(folder)) if isinstance(each, walk.Photo)}
        assert found == {
            name for name in made if name[:1] != b"." and name not in photos.SYSTEM_NAMES
        }
        list(walk.walk(str(folder), exclude=[pattern]))
        for name in made:
            with contextlib.suppress(decode.Undecodable):
                path = os.fsdecode(os.path.join(os.fsencode(folder), name))
                _check_metadata(decode.inspect(path, max_megapixels=1))
            os.unlink(os.path.join(os.fsencode(folder), name))
        folder.rmdir()

    _for_a_while(names, check)


# files of several pictures, films, and where text is


def _heif(*shades: int) -> bytes:
    made = [Image.new("RGB", (64, 48), (shade, 200, shade)) for shade in shades]
    return pictures.encoded(made[0], ".heic", save_all=True, append_images=made[1:])


def test_pages() -> None:
    grey, deep = PIXELS[..., 0], PIXELS.astype(np.uint16) * 257
    stack = np.stack([grey, grey[::-1], grey[:, ::-1]])
    others = [SMALL.rotate(90), SMALL.convert("L")]
    seeds = [
        _tiff(stack, photometric="minisblack"),
        _tiff(stack, photometric="minisblack", compression="zlib", bigtiff=True, byteorder=">"),
        _tiff(np.stack([deep] * 3), photometric="rgb", tile=(16, 16)),
        pictures.encoded(SMALL, ".tif", save_all=True, append_images=others, compression="jpeg"),
        pictures.encoded(SMALL, ".tiff", save_all=True, append_images=others),
        _heif(40, 120, 200),
    ]

    def check(data: bytes) -> None:
        with _limits(data):
            assert tiff_directories.count(io.BytesIO(data), 9) <= 9
            with contextlib.suppress(decode.Undecodable):  # and nothing else
                several = multi_page.several(data)
                found = list(multi_page.each(data, target=64, max_megapixels=5))
                assert [page.number for page in found] == sorted({page.number for page in found})
                assert all(page.image.mode == "RGB" for page in found)
                assert several or not found
                assert len(found) <= multi_page.MOST

    _for_a_while(_damaged(seeds) | _directories(PICTURE_TAGS), check)


def test_films(tmp_path: Path) -> None:
    scenes = [SMALL.resize((64, 48)), SMALL.rotate(180).resize((64, 48))]
    said = {"title": "A boat", "creation_time": "2024-05-01T12:30:00Z"}
    endings = {".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".avi": "mjpeg"}
    seeds = [
        (ending, made_films.make(tmp_path / f"seed{ending}", scenes, codec, seconds=1, said=said))
        for ending, codec in endings.items()
    ]
    cases = st.one_of(
        [
            _damaged([path.read_bytes()]).map(lambda data, e=ending: (e, data))
            for ending, path in seeds
        ]
    )

    def check(case: tuple[str, bytes]) -> None:
        ending, data = case
        path = tmp_path / f"case{ending}"
        path.write_bytes(data)
        with _limits(data), contextlib.suppress(decode.Undecodable):  # and nothing else
            film = films.read(str(path), side=64, max_megapixels=5)
            _check_metadata(film.metadata)
            assert 0 < len(film.frames) <= films.MOST
            assert film.seconds >= 0
            assert [frame.place for frame in film.frames] == sorted(f.place for f in film.frames)

    _for_a_while(cases, check)


def test_what_a_film_says() -> None:
    names = st.sampled_from(
        ["title", "creation_time", "location", "date", "make", "model", "keywords", "comment"]
    ) | st.sampled_from(["com.apple.quicktime.location.ISO6709", "ICRD", ""])
    texts = TEXT | st.from_regex(r"[+-]\d{0,4}(\.\d{0,14})?[+-]\d{0,4}(\.\d{0,3})?/?")
    texts |= st.from_regex(r"\d{0,5}-\d\d?-\d\d?[T ]?\d?\d?:?\d?\d?:?\d?\d?(Z|[+-]\d{0,5})?")

    def check(said: dict[str, str]) -> None:
        with _limits(said):
            _check_metadata(film_facts.read(said, format="MP4", width=64, height=48))

    _for_a_while(st.dictionaries(names, texts, max_size=8), check)


def test_where_text_is() -> None:
    """Of any map that a network may make, the corners and boxes of lines lie in the picture."""
    side, value = st.integers(1, 60), st.sampled_from([0.0, 0.29, 0.31, 0.6, 1.0])
    blob = st.tuples(st.integers(0, 60), st.integers(0, 60), side, side, value)
    shape = st.tuples(st.sampled_from([32, 64, 320]), st.sampled_from([32, 64, 320]))
    scale = st.tuples(st.floats(0.3, 20), st.floats(0.3, 20))
    cases = st.tuples(shape, scale, st.lists(blob, max_size=12), st.integers(0, 2**32 - 1))

    def check(case: Any) -> None:
        (height, width), scale, blobs, noise = case
        heat = np.random.default_rng(noise).random((height, width), np.float32) * (noise % 3 / 2)
        for top, left, high, wide, value in blobs:
            heat[top : top + high, left : left + wide] = value
        size = max(1, round(width * scale[0])), max(1, round(height * scale[1]))
        pixels = np.zeros((size[1], size[0], 3), np.uint8)
        with _limits(ascii(case).encode()):
            for corners in text_lines.found_in(heat, scale)[:20]:
                left, top, wide, high = text_lines.box_of(corners, size)
                assert 0 <= left < left + wide <= size[0]
                assert 0 <= top < top + high <= size[1]
                assert min(text_lines.cut_out(pixels, corners).shape) >= 1

    _for_a_while(cases, check)
