"""What a scanner does to the painted head: coil, drop-out, ghost, slices, noise, field of view; and the hub's scaling."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from shapes import SHAPE, ellipsoid, inside, smooth_noise

CLIP = 1.5  # intensities are scaled by P99 and clipped here


def scan(image, brain, head, rng, fields):
    """The scanner: coil profile, drop-out, ghost, partial volume, slices, Rician noise, field of view, scaling."""
    kind, q = head.choices['contrast'], head.q
    if rng.random() < 0.85:
        image = image * torch.exp(float(rng.uniform(0.05, 0.35)) * smooth_noise(8.0, fields))
    if rng.random() < 0.45:  # surface coil, mostly above the head
        place = rng.normal([0, 0, 9], [3, 4, 4])
        reach = float(rng.uniform(4, 16))
        away = torch.sqrt(sum((c - float(o)).square() for c, o in zip(q, place)))
        image = image * torch.exp(-(away - away.min()) / reach)
    if rng.random() < (0.7 if kind == 'epi' else 0.1):  # susceptibility near ears and nose
        for _ in range(int(rng.integers(1, 4))):
            centre = [
                float(rng.choice([-1, 1]) * rng.uniform(2.5, 5)),
                float(rng.uniform(-5, 6)),
                float(rng.uniform(-4.5, -1)),
            ]
            image = image * (
                1 - float(rng.uniform(0.3, 1)) * inside(ellipsoid(q, centre, rng.uniform(0.7, 2.2, 3)), 0.4)
            )
    if rng.random() < (0.4 if kind == 'epi' else 0.06):  # N/2 ghost
        axis = int(rng.integers(3))
        image = image + float(rng.uniform(0.02, 0.15)) * image.roll(SHAPE[axis] // 2, axis)
    if rng.random() < 0.5:
        image = image.clamp_min(0) ** float(rng.uniform(0.7, 1.5))

    factors = rng.uniform(0.8, 1.5, 3)
    if kind == 'epi':
        factors = factors * 1.3
    if head.choices['second']:  # the same scan on a finer grid
        factors = factors * 1.2
    if rng.random() < 0.6:
        # The slice axis is most often the long axis of the animal, wherever that lies on this grid.
        long_axis = head.choices['order'].index(1) if 1 in head.choices['order'] else 1
        axis = long_axis if rng.random() < 0.6 else int(rng.integers(3))
        factors[axis] = rng.uniform(1.5, 5.4 if head.choices['second'] else 4.5)
    coarse = [max(4, int(round(n / max(1.0, f)))) for n, f in zip(SHAPE, factors)]
    sampled = F.interpolate(image[None, None], coarse, mode='area')[0, 0]
    sigma = float(np.exp(rng.uniform(math.log(0.005), math.log(0.15)))) * float(
        torch.quantile(sampled[::2, ::2, ::2], 0.95)
    )
    real = sampled + sigma * torch.randn(coarse, generator=fields)
    sampled = torch.sqrt(real.square() + (sigma * torch.randn(coarse, generator=fields)).square())
    if head.choices['stripped'] or rng.random() < 0.1:
        sampled = sampled * (F.interpolate(image[None, None], coarse, mode='area')[0, 0] > 1e-3)
    image = F.interpolate(sampled[None, None], SHAPE, mode='trilinear', align_corners=False)[0, 0]

    seen = torch.ones(SHAPE)
    span = brain.nonzero()
    for axis in range(3):
        if rng.random() < 0.3 and span.numel():  # a slab that may cut up to a third off the brain at one end
            low, high = int(span[:, axis].min()), int(span[:, axis].max())
            cut = int(rng.uniform(-0.35, 0.33) * (high - low))
            if rng.random() < 0.5:
                seen.narrow(axis, 0, max(0, min(SHAPE[axis] - 8, low + cut))).zero_()
            else:
                start = min(SHAPE[axis], max(8, high - cut))
                seen.narrow(axis, start, SHAPE[axis] - start).zero_()
    return scale_intensity(image * seen), brain * seen


def scale_intensity(image):
    """What every caller of the model does to a magnitude image: P99 of voxels > 1 % of the maximum becomes 1, clip."""
    foreground = image[image > 0.01 * image.max()]
    if foreground.numel() == 0:
        return torch.zeros_like(image)
    rank = max(1, round(0.99 * foreground.numel()))
    return (image / foreground.kthvalue(rank).values.clamp_min(1e-6)).clamp(0, CLIP)
