"""Films made by PyAV: each scene is a picture that is shown for some seconds."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.scenes import ground, icons_by_name, put

FPS = 10
SIZE = (320, 240)
SECONDS = 3  # of a scene
BLACK = Image.new("RGB", SIZE)


def icons(count: int, seed: int = 0) -> dict[str, Image.Image]:
    """By the icon's English name: it, on a ground with some clutter."""
    found = icons_by_name()
    draw = random.Random(seed)
    scenes = {}
    for name in draw.sample(sorted(found), count):
        image = ground(draw).resize(SIZE)
        side = draw.randrange(200, 240)
        corner = draw.randrange(SIZE[0] - side), draw.randrange(SIZE[1] - side + 1)
        put(image, found[name], (*corner, side, side))
        scenes[name] = image
    return scenes


def make(
    path: Path,
    scenes: Sequence[Image.Image],
    codec: str = "libx264",
    *,
    seconds: float = SECONDS,
    rotation: int | None = None,
    sound: bool = False,
    said: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """`seconds`: of each scene. `rotation`: degrees by which a player turns it, counterclockwise.
    `said`: texts of the container. A key frame each second, as phones write one."""
    given = {"movflags": "+use_metadata_tags"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=given) as container:
        container.metadata.update(said or {})
        stream = container.add_stream(
            codec, rate=FPS, options={"g": str(FPS), "sc_threshold": "0", **(options or {})}
        )
        stream.width, stream.height = scenes[0].size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if rotation is not None:
            stream.set_display_rotation(rotation)
        voice = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for scene in scenes:
            frame = av.VideoFrame.from_image(scene)
            for _ in range(round(seconds * FPS)):
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 16000), np.float32), format="fltp", layout="mono"
            )
            silence.sample_rate = 16000
            container.mux(voice.encode(silence))
            container.mux(voice.encode(None))
    return path


def repeated(source: Path, target: Path, times: int) -> Path:
    """The same packets again and again: a long film that costs nothing to make."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        [stream] = given.streams.video
        copy = made.add_stream_from_template(stream)
        packets = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in given.demux(stream) if p.size]
        assert stream.duration is not None or given.duration is not None
        base = stream.time_base
        length = round(given.duration / 1e6 / base)
        for turn in range(times):
            for data, pts, dts, is_key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = copy, base
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                packet.is_keyframe = is_key
                made.mux(packet)
    return target
