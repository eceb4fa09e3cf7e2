"""HEIC as phones write it, by FFmpeg where PyAV is installed: in 70 % of libheif's time, and in
55 % where it is of tiles. What is unusual, or gives an error, is left to libheif."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any

from PIL import Image

from imgsearch.photos import downscaling, heif_items
from imgsearch.photos.heif_items import Colours, Picture

_LARGEST_BLOCK = 64  # pixels: an encoder's own picture is that much larger at most
_KEY_PICTURES, _DELIMITER, _SEI = range(16, 22), 35, (39, 40)  # kinds of units
_PARAMETERS = (32, 33, 34)  # VPS, SPS and PPS
_MOST_UNITS = 64  # of a tile; usual is one
_WEIGHTS = {  # of red and blue in luma, by matrix; 2 is "unspecified", which libheif takes so
    1: (0.2126, 0.0722),
    2: (0.299, 0.114),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    9: (0.2627, 0.0593),
}
_FULL_RANGE = 2  # FFmpeg's number
_Plane = Image.Image  # "L"


def reduced(image: Image.Image, file: IO[bytes], target: int) -> Image.Image | None:
    """As `downscaling.heif`, by an even number. None: libheif has to decode it."""
    factor = downscaling.factor_of(image, target)
    if image.format != "HEIF" or image.mode != "RGB" or factor < 2:
        return None
    if not image.info.get("primary"):
        return None
    picture = heif_items.primary(file)
    if picture is None or picture.upright_size != image.size:
        return None
    if not _is_usual(picture.configuration):
        return None
    factor = _even_factor(picture, factor)
    small = _decoded(picture, file, factor) if factor else None
    if small is None:
        return None
    for turn in picture.turns:
        small = small.transpose(turn)
    small.info = image.info
    return small


def _even_factor(picture: Picture, most: int) -> int:
    """The largest even number up to `most` that divides tiles, so that they join without seams; 0:
    none does. Samples of colour are half as many."""
    for factor in range(most - most % 2, 0, -2):
        if len(picture.tiles) == 1 or not any(side % factor for side in picture.tile_size):
            return factor
    return 0


def _decoded(picture: Picture, file: IO[bytes], factor: int) -> Image.Image | None:
    """RGB, reduced. None: a tile is broken."""
    try:
        from av.error import FFmpegError
    except ImportError:  # the extra is not installed, or broken
        return None
    canvas = [Image.new("L", _shrunk(picture.size, factor)) for _ in range(3)]
    width, height = picture.tile_size
    colours = picture.colours
    try:
        for number, frame in enumerate(_frames(picture, file)):
            row, column = divmod(number, picture.columns)
            x, y = column * width, row * height
            # what a tile at the edge has beyond the picture is not seen
            seen = (min(width, picture.size[0] - x), min(height, picture.size[1] - y))
            for plane, whole in zip(_planes(frame, seen, factor), canvas, strict=True):
                whole.paste(plane, (x // factor, y // factor))
            colours = colours or Colours(frame.colorspace, frame.color_range == _FULL_RANGE)
    except (FFmpegError, ValueError):  # of a codec that it does not have, and ours
        return None
    if colours is None or colours.matrix not in _WEIGHTS:
        return None
    return Image.merge("RGB", canvas).convert("RGB", _to_rgb(colours))


class _BrokenError(ValueError):
    """A tile is not what the file says, or cannot be decoded."""


def _frames(picture: Picture, file: IO[bytes]) -> Iterator[Any]:
    """PyAV's frame of each tile."""
    import av

    av.logging.set_level(None)
    width, height = (side + _LARGEST_BLOCK for side in picture.tile_size)
    decoder = av.CodecContext.create("hevc", "r")
    decoder.extradata = picture.configuration
    decoder.thread_count = 1
    decoder.options = {
        "err_detect": "crccheck+bitstream+buffer+explode",
        "max_pixels": str(width * height),
    }
    for place in picture.tiles:
        file.seek(place.start)
        data = file.read(place.length)
        if not _is_one_key_picture(data):
            raise _BrokenError
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
        decoder.flush_buffers()
        if len(frames) != 1 or not _is_right(frames[0], picture):
            raise _BrokenError
        yield frames[0]


def _is_right(frame: Any, picture: Picture) -> bool:
    if frame.format.name not in ("yuv420p", "yuvj420p") or frame.is_corrupt:
        return False
    return bool((frame.width, frame.height) == picture.tile_size)


def _is_usual(configuration: bytes) -> bool:
    """Whether `hvcC` says 4:2:0 with 8 bits, and lengths of four bytes, and holds what a decoder
    has to know, in units that any decoder reads alike."""
    try:
        version, chroma, luma_bits, chroma_bits, lengths, arrays = struct.unpack_from(
            ">B15xBBB2xBB", configuration
        )
        at, kinds = 23, set()
        for _ in range(arrays):
            _, count = struct.unpack_from(">BH", configuration, at)
            at += 3
            for _ in range(count):
                length, header = struct.unpack_from(">HH", configuration, at)
                kinds.add(_kind(header))
                at += 2 + length
    except struct.error:
        return False
    if at != len(configuration) or not kinds.issuperset(_PARAMETERS):
        return False
    if version != 1 or chroma & 3 != 1 or lengths & 3 != 3:
        return False
    return luma_bits & 7 == chroma_bits & 7 == 0 and kinds <= {*_PARAMETERS, *_SEI}


def _is_one_key_picture(data: bytes) -> bool:
    """Whether all its units are of one picture that refers to no other, so that no tile can change
    how the next is decoded."""
    at, kinds = 0, list[int]()
    while at + 6 <= len(data) and len(kinds) < _MOST_UNITS:
        length, header = struct.unpack_from(">IH", data, at)
        kinds.append(_kind(header))
        at += 4 + length
    pictures = {kind for kind in kinds if kind in _KEY_PICTURES}
    others = set(kinds) - pictures
    return at == len(data) and len(pictures) == 1 and others <= {_DELIMITER, *_SEI}


def _kind(header: int) -> int:
    """Of a unit by its first two bytes; -1 where it is of no basic picture."""
    is_basic = not header >> 15 and header & 0x1FF == 1  # neither of a layer nor of a part of time
    return header >> 9 if is_basic else -1


def _planes(frame: Any, size: heif_items.Size, factor: int) -> Iterator[_Plane]:
    """Luma and the two of colour, reduced. `size`: pixels that are taken, from the left and top."""
    for plane, step in zip(frame.planes, (1, 2, 2), strict=True):
        stored = Image.frombuffer("L", _shrunk(size, step), plane, "raw", "L", plane.line_size, 1)
        yield stored.reduce(factor // step)


def _shrunk(size: heif_items.Size, factor: int) -> heif_items.Size:
    return -(-size[0] // factor), -(-size[1] // factor)


def _to_rgb(colours: Colours) -> tuple[float, ...]:
    """Pillow's matrix from luma and colour to RGB."""
    red, blue = _WEIGHTS[colours.matrix]
    green = 1 - red - blue
    black, light, colour = (0, 1.0, 1.0) if colours.is_full_range else (16, 255 / 219, 255 / 224)
    lines = (
        (0.0, 2 * (1 - red)),
        (-2 * (1 - blue) * blue / green, -2 * (1 - red) * red / green),
        (2 * (1 - blue), 0.0),
    )
    made: list[float] = []
    for of_blue, of_red in lines:
        shift = -light * black - 128 * colour * (of_blue + of_red)
        made += [light, colour * of_blue, colour * of_red, shift]
    return tuple(made)
