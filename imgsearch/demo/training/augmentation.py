"""Pictures as a camera, a scanner or another designer would give them, in whole batches."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

SIDE = 96
# CLIP's own
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])
# grounds for the figures only: training keeps away from them
UNSEEN_GROUNDS = torch.tensor(
    [
        [0.1, 0.6, 0.6],
        [0.95, 0.7, 0.75],
        [0.9, 0.85, 0.7],
        [0.25, 0.25, 0.3],
        [0.75, 0.7, 0.9],
        [0.5, 0.5, 0.15],
    ]
)
LUMA = torch.tensor([0.299, 0.587, 0.114])


def normalised(rgb: Tensor) -> Tensor:
    """[n, 3, side, side] of 0..1 -> what the image tower takes."""
    return (rgb - MEAN[:, None, None]) / STD[:, None, None]


def on_ground(rgba: Tensor, ground: Tensor) -> Tensor:
    """Premultiplied [n, 4, h, w] on a ground of [n, 3]."""
    return rgba[:, :3] + (1 - rgba[:, 3:]) * ground[:, :, None, None]


def _brightness(rgba: Tensor) -> Tensor:
    """Premultiplied [n, 4, h, w] -> [n, h, w], on white."""
    return torch.einsum("nchw,c->nhw", on_ground(rgba, torch.ones(len(rgba), 3)), LUMA)


class Augmentation:
    """Random versions of premultiplied RGBA pictures. `strength` runs from 0 to 1."""

    def __init__(self, seed: int) -> None:
        self.random = Generator().manual_seed(seed)

    def _uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(*shape, generator=self.random) * (high - low) + low

    def _chosen(self, n: int, chance: float) -> Tensor:
        return (self._uniform(n) < chance).nonzero()[:, 0]

    def grounds(self, n: int) -> Tensor:
        """White for almost half, otherwise any colour that the figures do not use."""
        colour = self._uniform(n, 4, 3)
        far = torch.cdist(colour.view(-1, 3), UNSEEN_GROUNDS).min(1).values.view(n, 4) > 0.2
        ground = colour[torch.arange(n), far.float().argmax(1)]
        kind = self._uniform(n)
        ground[(kind < 0.45) | ~far.any(1)] = 1.0
        dark = kind > 0.9
        ground[dark] *= 0.08
        return ground

    def __call__(
        self,
        rgba: Tensor,
        strength: float,
        ink: Tensor,
        repaintable: Tensor,
        mirrorable: Tensor,
        ground: Tensor | None = None,
    ) -> Tensor:
        """[n, 4, side, side] -> normalised [n, 3, side, side].

        ink: the picture is one ink on nothing; repaintable: its colour means nothing;
        mirrorable: so does which way it faces.
        """
        n = len(rgba)
        ground = self._apart(rgba, self.grounds(n)) if ground is None else ground
        rgba = self._restyled(rgba.clone(), strength, ink, repaintable, ground)
        rgba = self._warped(rgba, strength, mirrorable)
        rgb = self._relit(on_ground(rgba, ground), strength)
        return normalised(self._photographed(rgb, strength))

    @staticmethod
    def _apart(rgba: Tensor, ground: Tensor) -> Tensor:
        """White instead of a ground on which the picture would vanish."""
        own = rgba[:, :3].sum((2, 3)) / rgba[:, 3].sum((1, 2))[:, None].clamp_min(1)
        ground[(own - ground).norm(dim=1) < 0.3] = 1.0
        return ground

    def _inks(self, ground: Tensor) -> Tensor:
        """One ink per ground that stands out from it: mostly black, or white on dark."""
        n = len(ground)
        dark_ground = (ground @ LUMA < 0.45).float()[:, None]
        colour = self._uniform(n, 3) * 0.45
        colour[self._uniform(n) < 0.6] *= 0.15
        return torch.where(dark_ground > 0, 1 - colour, colour)

    def _restyled(
        self, rgba: Tensor, strength: float, ink: Tensor, repaintable: Tensor, ground: Tensor
    ) -> Tensor:
        inks = self._inks(ground)
        kind = self._uniform(len(rgba))
        free = repaintable & ~ink
        outline = free & (kind < 0.15 * strength)
        woodcut = free & (kind > 0.15) & (kind < 0.15 + 0.2 * strength)
        grey = free & (kind > 0.35) & (kind < 0.35 + 0.08 * strength)
        silhouette = free & (kind > 1 - 0.05 * strength)
        if outline.any():
            rgba[outline, 3:] = self._lines(rgba[outline])
        if woodcut.any():
            rgba[woodcut, 3:] = self._shades(rgba[woodcut])
        one_ink = ink | outline | woodcut | silhouette
        rgba[one_ink, :3] = rgba[one_ink, 3:] * inks[one_ink][:, :, None, None]
        if grey.any():
            rgba[grey, :3] = torch.einsum("nchw,c->nhw", rgba[grey, :3], LUMA)[:, None]
        return rgba

    def _shades(self, rgba: Tensor) -> Tensor:
        """What is darker than what is around it as alpha: a woodcut of a picture."""
        flat = _brightness(rgba)[:, None]
        reach = 2 * int(self._uniform(1, low=3, high=14).item()) + 1
        around = functional.pad(flat, (reach // 2,) * 4, mode="replicate")
        for side in ((1, reach), (reach, 1)):  # the same as both at once, in a tenth of the time
            around = functional.avg_pool2d(around, side, 1)
        gain = self._uniform(len(rgba), 1, 1, 1, low=4, high=14)
        darker = around - flat - self._uniform(len(rgba), 1, 1, 1, low=0.0, high=0.04)
        return (darker * gain).clamp(0, 1)

    def _lines(self, rgba: Tensor) -> Tensor:
        """The edges of a picture as alpha: an outline drawing of it."""
        flat = _brightness(rgba)
        both = torch.stack([flat, rgba[:, 3]], 1)
        dx = functional.pad(both[..., :, 2:] - both[..., :, :-2], (1, 1, 0, 0))
        dy = functional.pad(both[..., 2:, :] - both[..., :-2, :], (0, 0, 1, 1))
        gain = self._uniform(len(rgba), 1, 1, 1, low=1.2, high=4.0)
        return ((dx**2 + dy**2).sqrt().amax(1, keepdim=True) * gain).clamp(0, 1)

    def _warped(self, rgba: Tensor, strength: float, mirrorable: Tensor) -> Tensor:
        """Mirror, rotation, size, shear, place and a little perspective: one grid per picture."""
        n = len(rgba)
        angle = self._uniform(n, low=-0.33, high=0.33) * strength
        scale = 1 + strength * self._uniform(n, low=-0.15, high=0.7)
        aspect = torch.exp(self._uniform(n, low=-0.18, high=0.18) * strength)
        shear = self._uniform(n, low=-0.15, high=0.15) * strength
        shift = self._uniform(n, 2, low=-0.27, high=0.27) * strength * (scale - 0.75)[:, None]
        row_x = torch.stack([scale * aspect * angle.cos(), shear - scale * angle.sin()], 1)
        row_y = torch.stack([scale * angle.sin(), scale / aspect * angle.cos()], 1)
        theta = torch.cat([torch.stack([row_x, row_y], 1), shift[:, :, None]], 2)
        theta[mirrorable & (self._uniform(n) < 0.5 * strength), :, 0] *= -1
        grid = functional.affine_grid(theta, list(rgba.shape), align_corners=False)
        tilt = self._uniform(n, 1, 1, 2, low=-0.18, high=0.18) * strength
        line = torch.linspace(-1, 1, SIDE)
        depth = 1 + tilt[..., 0] * line[None, None, :] + tilt[..., 1] * line[None, :, None]
        return functional.grid_sample(rgba, grid / depth[..., None], align_corners=False)

    def _relit(self, rgb: Tensor, strength: float) -> Tensor:
        """Brightness, saturation, colour cast and gamma."""
        n = len(rgb)
        light = 1 + strength * self._uniform(n, 1, 1, low=-0.28, high=0.22)
        saturation = 1 + strength * self._uniform(n, 1, 1, low=-0.4, high=0.4)
        cast = 0.06 * strength * self._uniform(n, 3, 1, low=-0.5, high=0.5)
        mix = light * (saturation * torch.eye(3) + (1 - saturation) / 3)
        mix = mix + cast * torch.eye(3)
        lift = 0.08 * strength * self._uniform(n, 3, 1, low=-0.5, high=0.5)
        out = torch.baddbmm(lift, mix, rgb.flatten(2)).view_as(rgb).clamp_(0, 1)
        some = self._chosen(n, 0.3 * strength)
        gamma = torch.exp(self._uniform(len(some), 1, 1, 1, low=-0.4, high=0.4))
        out[some] = out[some].clamp_min(1e-3) ** gamma
        return out

    def _photographed(self, rgb: Tensor, strength: float) -> Tensor:
        """Moiré, blur, coarse pixels and noise, each on a part of the batch."""
        n = len(rgb)
        some = self._chosen(n, 0.15 * strength)
        rgb[some] *= self._moire(len(some))
        some = self._chosen(n, 0.2 * strength)
        rgb[some] = functional.avg_pool2d(
            functional.pad(rgb[some], (1, 1, 1, 1), mode="replicate"), 3, 1
        )
        some = self._chosen(n, 0.15 * strength)
        small = int(self._uniform(1, low=28, high=72).item())
        coarse = functional.interpolate(rgb[some], size=small, mode="area")
        rgb[some] = functional.interpolate(coarse, size=SIDE, mode="bilinear")
        some = self._chosen(n, 0.4 * strength)
        noise = torch.randn(len(some), 3, SIDE, SIDE, generator=self.random)
        rgb[some] += noise * self._uniform(len(some), 1, 1, 1, high=0.08)
        return rgb

    def _moire(self, n: int) -> Tensor:
        """Factors around 1: the beat of a screen's pixels and a camera's."""
        line = torch.arange(SIDE, dtype=torch.float32)
        angle = self._uniform(n, 1, 1, high=math.pi)
        period = self._uniform(n, 1, 1, low=2.2, high=14)
        wave = (angle.cos() * line[None, None, :] + angle.sin() * line[None, :, None]) / period
        depth = self._uniform(n, 1, 1, low=0.04, high=0.22)
        return (1 + depth * torch.sin(2 * math.pi * wave))[:, None]
