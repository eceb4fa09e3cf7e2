"""The program that opens films, in a process of its own: what a stranger's film makes of a decoder,
a crash, a loop or lines on the terminal, stays there (`imgsearch.photos.films` starts it).

The film is its standard input, opened by who starts it, so that no path and no other file matters.
What it finds goes to standard output as messages: a line of JSON, and the pixels of a frame after
the line that announces them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

FORMATS = {
    "MP4": "mp4",
    "MOV": "mov",
    "3GP": "3gp",
    "MKV": "matroska",
    "WEBM": "webm",
    "AVI": "avi",
}
EVERY = 1.0  # seconds between two of them at least
CPU_SECONDS = 50.0  # for looking at frames, spread over the length of the film
MOST_CPU_SECONDS = 200  # after which the system ends this process
MOST_MEMORY = 6 << 30  # bytes of addresses: a frame of 8K with those it refers to takes one GB
_LONGEST = 48 * 3600  # seconds: what claims to last longer does not say how long it lasts
_BUFFER = 1 << 18  # bytes read at a time
_DECODERS = frozenset((
    "h264", "hevc", "av1", "libdav1d", "libaom-av1", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg4",
    "mpeg1video", "mpeg2video", "h263", "mjpeg", "prores", "dnxhd", "dvvideo", "msmpeg4",
    "msmpeg4v1", "msmpeg4v2", "theora", "vc1", "wmv1", "wmv2", "wmv3", "svq3", "cinepak", "huffyuv",
    "ffv1", "rawvideo", "flv",
))  # fmt: skip


class _TooLarge(Exception):
    """With width and height in pixels."""


class _NoFilm(Exception):
    """`reason`: a name of `SkipReason`."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail


def main() -> None:
    """`argv[1]`: JSON with what is wanted: `format`, `side` and `most_side` (pixels of a frame's
    shorter side, and of its longer side at most), `most` frames, `most_pixels` of the film's own
    frames, and `at` (milliseconds) where one moment is wanted."""
    wanted = json.loads(sys.argv[1])
    out = _own_output()
    _limit()
    try:
        with open(0, "rb", closefd=False) as file:
            for message, pixels in _read(file, wanted):
                _send(out, message, pixels)
        _send(out, {"end": True})
    except _TooLarge as error:
        _send(out, {"too_large": error.args})
    except _NoFilm as error:
        _send(out, {"reason": error.reason, "detail": error.detail})
    except MemoryError:
        _send(out, {"reason": "TOO_LARGE", "detail": "not enough memory"})


def _own_output() -> IO[bytes]:
    """What was standard output; a C library that writes there, or to standard error, writes
    nowhere."""
    own = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return own


def _limit() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "win32":
        return
    import resource

    for what, most in (
        (resource.RLIMIT_CPU, MOST_CPU_SECONDS),
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # a lower one may be set already
            resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _send(out: IO[bytes], message: dict[str, Any], pixels: bytes = b"") -> None:
    out.write(json.dumps(message).encode() + b"\n" + pixels)
    out.flush()


def _read(file: IO[bytes], wanted: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bytes]]:
    import av
    from av.error import FFmpegError

    av.logging.set_level(None)
    try:
        with av.open(
            file,
            format=FORMATS[wanted["format"]],
            metadata_errors="replace",
            buffer_size=_BUFFER,
            container_options={"protocol_whitelist": "none"},
        ) as container:
            yield from _Reader(container, wanted).messages()
    except FFmpegError as error:
        raise _NoFilm(*_said(error)) from None
    except (ValueError, ArithmeticError, LookupError) as error:
        raise _NoFilm("DAMAGED", f"its structure is broken ({type(error).__name__})") from None


def _said(error: Exception) -> tuple[str, str]:
    import av.error

    if isinstance(error, av.error.EOFError):
        return "TRUNCATED", "it ends too early"
    if isinstance(error, av.error.InvalidDataError):
        return "DAMAGED", "its structure is broken"
    return "DAMAGED", getattr(error, "strerror", None) or type(error).__name__


class _Reader:
    """Of one open film. `container`: PyAV's."""

    def __init__(self, container: Any, wanted: dict[str, Any]) -> None:
        self._container, self._wanted = container, wanted
        self._stream = self._video()
        self._stream.thread_type = "SLICE"
        context = self._stream.codec_context
        context.thread_count = 1
        context.skip_frame = "NONKEY"
        # Other frames are read and passed over: where FFmpeg is told to leave them out
        # (AVDISCARD_NONKEY), it gives key frames of MP4 the times of others.
        start = self._stream.start_time
        self._start = 0.0 if start is None else float(start * self._stream.time_base)

    def _video(self) -> Any:
        """The stream that is the film; the cover of a song is none."""
        streams = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & type(stream.disposition).attached_pic
        ]
        if not streams:
            raise _NoFilm("NOT_A_PICTURE", "sound without a film")
        found = max(streams, key=lambda stream: stream.width * stream.height)
        context = found.codec_context
        if context is None or context.name not in _DECODERS:
            codec = "unknown" if context is None else context.name
            raise _NoFilm("UNSUPPORTED", f"a film of codec {codec}")
        if found.width * found.height > self._wanted["most_pixels"]:
            raise _TooLarge(found.width, found.height)
        return found

    def messages(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """What the container says; a sign of life for each frame that was looked at; the frames."""
        from imgsearch.photos.key_frames import Selection, shows_something

        chosen = Selection[tuple[int, int, bytes]](self._wanted["most"])
        first: Any = None
        for place, frame in self._looked_at():
            if first is None:
                first = frame
                yield {"facts": self._facts(frame)}, b""
            grey, small = _grey(frame), _small(frame)
            if self._wanted.get("at") is not None:
                chosen.offer(place, small, self._upright(frame), good=True)
                break
            chosen.offer(place, small, self._upright(frame), good=shows_something(grey))
            if self._wanted["most"] == 1 and not chosen.is_empty:
                break
            yield {"looked": place}, b""
        if first is None:
            raise _NoFilm("TRUNCATED", "none of its frames can be decoded")
        for place, (width, height, pixels) in chosen.frames():
            yield {"place": place, "width": width, "height": height, "bytes": len(pixels)}, pixels

    def _looked_at(self) -> Iterator[tuple[int, Any]]:
        """(milliseconds, frame) of key frames, in the order of time."""
        at = self._wanted.get("at")
        if at is not None:
            self._seek(at / 1000)
        seconds, following = self._seconds(), 0.0
        for packet in self._packets():
            moment = self._moment(packet)
            if moment is None or (at is None and moment < following):
                continue
            frame = self._decoded(packet)
            if frame is None:
                continue
            yield max(0, round(moment * 1000)), frame
            spent = time.process_time() / CPU_SECONDS
            following = max(moment + 0.999 * EVERY, seconds * spent)
            if spent > 1:
                return

    def _packets(self) -> Iterator[Any]:
        """Those of key frames. What cannot be read ends them: a film that was cut off plays up to
        there."""
        from av.error import FFmpegError

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                return
            if packet is None:
                return
            if packet.is_keyframe and packet.size:
                yield packet

    def _decoded(self, packet: Any) -> Any:
        """The packet's frame, without waiting for those after it; None where it is broken."""
        from av.error import FFmpegError

        context = self._stream.codec_context
        try:
            frames = [*context.decode(packet), *context.decode(None)]
        except FFmpegError:
            frames = []
        context.flush_buffers()
        if not frames or frames[0].width * frames[0].height > self._wanted["most_pixels"]:
            return None
        return frames[0]

    def _seek(self, seconds: float) -> None:
        from av.error import FFmpegError

        offset = round((self._start + seconds + 0.0005) / self._stream.time_base)
        with contextlib.suppress(FFmpegError):
            self._container.seek(offset, stream=self._stream)

    def _moment(self, packet: Any) -> float | None:
        """Seconds from the film's start."""
        stamp = packet.dts if packet.pts is None else packet.pts
        return None if stamp is None else float(stamp * packet.time_base) - self._start

    def _seconds(self) -> float:
        """How long it lasts; 0 where that is not known."""
        found = 0.0
        if self._stream.duration is not None:
            found = float(self._stream.duration * self._stream.time_base)
        elif self._container.duration is not None:
            found = self._container.duration / 1e6
        return found if 0 < found <= _LONGEST else 0.0

    def _facts(self, frame: Any) -> dict[str, Any]:
        width, height = _shown_size(frame, self._stream)
        if _turn(frame) % 180:
            width, height = height, width
        said = {**dict(self._stream.metadata), **dict(self._container.metadata)}
        texts = {str(key)[:100]: str(value)[:5000] for key, value in list(said.items())[:200]}
        return {"width": width, "height": height, "seconds": self._seconds(), "said": texts}

    def _upright(self, frame: Any) -> tuple[int, int, bytes]:
        """(width, height, RGB) of a frame, reduced to the size that is wanted."""
        import numpy as np

        width, height = _shown_size(frame, self._stream)
        scale = min(1.0, self._wanted["side"] / min(width, height))
        scale = min(scale, self._wanted["most_side"] / max(width, height))
        pixels = _scaled(
            frame, max(1, round(width * scale)), max(1, round(height * scale)), "rgb24"
        )
        turned = np.rot90(pixels, round(_turn(frame) / 90))
        return turned.shape[1], turned.shape[0], turned.tobytes()


def _turn(frame: Any) -> int:
    """Degrees by which the frame is turned counterclockwise to stand upright."""
    return 90 * round(int(frame.rotation) / 90)


def _shown_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Pixels across and down, where pixels that are not square have become so."""
    ratio = float(stream.sample_aspect_ratio or 1)
    if not 0.2 <= ratio <= 5:
        ratio = 1.0
    return max(1, round(frame.width * ratio)), frame.height


def _scaled(frame: Any, width: int, height: int, format: str) -> Any:
    return frame.reformat(width, height, format, interpolation="AREA").to_ndarray()


def _grey(frame: Any) -> Any:
    from imgsearch.photos.key_frames import SHARPNESS_SIDE

    scale = min(1.0, SHARPNESS_SIDE / max(frame.width, frame.height))
    return _scaled(
        frame, max(2, round(frame.width * scale)), max(2, round(frame.height * scale)), "gray"
    )


def _small(frame: Any) -> Any:
    import numpy as np

    from imgsearch.photos.key_frames import SIDE

    return _scaled(frame, SIDE, SIDE, "rgb24").astype(np.float32)


if __name__ == "__main__":
    main()
