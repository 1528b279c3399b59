"""The sampling grid, and bodies on it as soft signed distances in millimetres, negative inside."""

import math

import torch
import torch.nn.functional as F

SHAPE = (64, 96, 64)  # left-right, posterior-anterior, ventral-dorsal
SPACING_MM = 0.25


def ellipsoid(q, centre, radii):
    """Approximate signed distance at the coordinates `q` (x, y, z)."""
    x, y, z = (c - float(o) for c, o in zip(q, centre))
    a, b, c = (1.0 / float(r) for r in radii)
    u, v, w = x * a, y * b, z * c
    k0 = (u * u + v * v + w * w).sqrt_()
    k1 = ((u * a).square_() + (v * b).square_() + (w * c).square_()).sqrt_().clamp_min_(1e-4)
    return k0 * (k0 - 1) / k1


def inside(distance, soft_mm):
    return torch.sigmoid(distance * (-1.0 / soft_mm))


def over(image, distance, value, soft_mm=0.06):
    """Paints `value` where `distance` is negative, with a soft edge for the partial volume."""
    alpha = inside(distance, soft_mm)
    return image + alpha * (value - image)


def union(a, b, k):
    """Smooth minimum: two bodies with a fillet of radius `k` mm."""
    h = (k - (a - b).abs()).clamp_min_(0)
    return torch.minimum(a, b) - h.square() * (0.25 / k)


def smooth_noise(scale_mm, fields):
    """Smooth noise over SHAPE, standard deviation about one half, features of `scale_mm`."""
    knots = [max(3, int(math.ceil(n * SPACING_MM / scale_mm)) + 1) for n in SHAPE]
    grid = torch.randn([1, 1, *knots], generator=fields)
    twice = F.interpolate(grid, [min(2 * k, n) for k, n in zip(knots, SHAPE)], mode='trilinear', align_corners=True)
    return F.interpolate(twice, SHAPE, mode='trilinear', align_corners=True)[0, 0]
