"""Procedural rodent heads: an image and its brain mask from a seed, and from nothing else.

No scan, atlas or label map is read. A head is a list of soft signed distances (ellipsoids, smooth unions,
shells) in millimetres of a mouse brain frame (x right, y anterior, z dorsal, origin in the brain), painted
from the outside in, then "scanned": coil, blur, slices, noise, field of view, orientation.
A rat is the same grid at 0.40 mm instead of 0.25 mm: the variation of shape is wide enough for both.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

SHAPE = (64, 96, 64)  # left-right, posterior-anterior, ventral-dorsal
SPACING_MM = 0.25
CLIP = 1.5  # intensities are scaled by P99 and clipped here


def generate(seed, full_output=False):
    """One head: uint8 image (255 = CLIP) and uint8 mask (255 = brain), both SHAPE; the same for the same seed.

    :param seed: int or sequence of ints
    :param full_output: also return the dictionary of the choices that were drawn
    """
    rng = np.random.default_rng(seed)
    fields = torch.Generator().manual_seed(int(rng.integers(2**62)))
    with torch.no_grad():
        head = _Head(rng, fields)
        image, brain = head.paint()
        image, brain = _scan(image, brain, head, rng, fields)
    image = (image / CLIP * 255).round().to(torch.uint8).numpy()
    mask = (brain > 0.5).to(torch.uint8).mul(255).numpy()
    return (image, mask, head.choices) if full_output else (image, mask)


def scale_intensity(image):
    """What every caller of the model does to a magnitude image: P99 of voxels > 1 % of the maximum becomes 1, clip."""
    foreground = image[image > 0.01 * image.max()]
    if foreground.numel() == 0:
        return torch.zeros_like(image)
    rank = max(1, round(0.99 * foreground.numel()))
    return (image / foreground.kthvalue(rank).values.clamp_min(1e-6)).clamp(0, CLIP)


class _Head:
    """The geometry of one animal on the sampling grid, and how its tissues look."""

    def __init__(self, rng, fields):
        self.rng, self.fields = rng, fields
        self.choices = {
            'contrast': str(rng.choice(['t2', 't1', 'epi', 'any'], p=[0.42, 0.32, 0.13, 0.13])),
            'stripped': bool(rng.random() < 0.2),
        }
        self.q = self._brain_coordinates()

    def _brain_coordinates(self):
        rng = self.rng
        axes = [(torch.arange(n, dtype=torch.float32) - (n - 1) / 2) * SPACING_MM for n in SHAPE]
        x, y, z = torch.meshgrid(*axes, indexing='ij')
        if rng.random() < 0.6:
            offset = rng.normal(0, 1.0, 3)
        else:
            offset = rng.uniform([-3, -5, -3], [3, 5, 3])
        x, y, z = x - float(offset[0]), y - float(offset[1]), z - float(offset[2])

        turn = rng.uniform(-20, 20, 3) * (math.pi / 180)
        shear = np.eye(3) + np.triu(rng.normal(0, 0.04, (3, 3)), 1)
        kind = rng.random()
        # Preclinical headers call the long axis of a prone animal A-P or S-I about equally often; any mix is seen.
        order = [0, 1, 2] if kind < 0.55 else [0, 2, 1] if kind < 0.82 else list(rng.permutation(3))
        signs = rng.choice([-1.0, 1.0], 3)
        permute = np.zeros((3, 3))
        permute[range(3), order] = signs
        size = float(np.clip(rng.normal(1.0, 0.09), 0.75, 1.3)) if rng.random() < 0.6 else float(rng.uniform(0.75, 1.3))
        aspect = np.clip(rng.normal(1, 0.06, 3), 0.85, 1.15)
        matrix = np.diag(1 / (size * aspect)) @ shear @ _rotation(turn) @ permute
        self.choices.update(order=[int(o) for o in order], signs=signs.tolist(), size=size)

        rough, fine = rng.uniform(0.1, 0.65), rng.uniform(0.0, 0.12)
        q = []
        for row in matrix:
            c = x * float(row[0]) + y * float(row[1]) + z * float(row[2])
            q.append(c + rough * self._noise(4.5) + fine * self._noise(1.6))
        return q

    def _noise(self, scale_mm):
        """Smooth noise with unit-like amplitude and features of about `scale_mm`."""
        return smooth_noise(scale_mm, self.fields)

    def _ellipsoid(self, centre, radii, jitter=0.0):
        """Approximate signed distance in mm, negative inside."""
        if jitter:
            centre = [c + self.rng.normal(0, jitter * r) for c, r in zip(centre, radii)]
            radii = [r * math.exp(self.rng.normal(0, jitter)) for r in radii]
        x, y, z = (c - float(o) for c, o in zip(self.q, centre))
        a, b, c = (1.0 / float(r) for r in radii)
        u, v, w = x * a, y * b, z * c
        k0 = (u * u + v * v + w * w).sqrt_()
        k1 = ((u * a).square_() + (v * b).square_() + (w * c).square_()).sqrt_().clamp_min_(1e-4)
        return k0 * (k0 - 1) / k1

    def _pair(self, centre, radii, jitter=0.08, asymmetry=0.03):
        """Left and right copies of one ellipsoid."""
        centre = [c + self.rng.normal(0, jitter * r) for c, r in zip(centre, radii)]
        radii = [r * math.exp(self.rng.normal(0, jitter)) for r in radii]
        left = self._ellipsoid([-centre[0], *centre[1:]], radii, asymmetry)
        return torch.minimum(left, self._ellipsoid(centre, radii, asymmetry))

    def _brain(self):
        """Signed distance of the whole brain and of parts that show inside it."""
        k = float(self.rng.uniform(0.4, 1.0))
        cerebrum = self._pair([2.0, 0.6, 0.3], [3.0, 5.0, 3.0])
        cerebrum = _union(cerebrum, self._pair([2.6, -1.2, -0.6], [2.6, 3.2, 2.6]), k)
        cerebrum = _union(cerebrum, self._ellipsoid([0, 0.2, -1.3], [2.3, 4.2, 2.1], 0.08), k)
        cerebrum = _union(cerebrum, self._ellipsoid([0, 0.8, 0.5], [2.2, 4.6, 2.5], 0.05), k)
        bulbs = self._pair([0.75, 5.9, 0.0], [1.0, 2.2, 1.15])
        cerebellum = self._ellipsoid([0, -5.2, 0.5], [3.3, 1.9, 2.1], 0.08)
        cerebellum = _union(cerebellum, self._ellipsoid([0, -5.4, 0.9], [1.4, 2.1, 2.0], 0.08), k)
        cerebellum = torch.minimum(cerebellum, self._pair([3.9, -4.7, -0.7], [0.9, 0.9, 0.8]))
        stem = _union(self._ellipsoid([0, -4.3, -2.0], [2.2, 3.6, 1.5], 0.08), self._ellipsoid([0, -3.0, 1.3], [2.3, 1.6, 1.5], 0.08), k)
        cord_top, r = self.rng.uniform(-0.3, 0.3) - 1.6, float(self.rng.uniform(1.0, 1.5))
        x, y, z = self.q
        cord = torch.sqrt(x * x + (z - float(cord_top) - 0.05 * (y + 6)).square()) - r
        cord = torch.maximum(cord, y + 4.0)
        neural = _union(_union(_union(cerebrum, bulbs, 0.5 * k), stem, k), cerebellum, 0.3 * k)
        neural = _union(neural, cord, k)
        end = float(self.rng.uniform(-8.0, -6.6))  # where the mask leaves the cord is a convention: vary it
        return neural, torch.maximum(neural, end - y), {'cerebrum': cerebrum, 'cerebellum': cerebellum, 'bulbs': bulbs, 'stem': stem}

    def paint(self):
        """The clean image (brain about 1) and the brain occupancy, before the scanner."""
        rng = self.rng
        look = _contrast(self.choices['contrast'], rng)
        neural, brain, parts = self._brain()
        gap = float(rng.uniform(0.0, 0.25))
        cavity = neural - gap - (float(rng.uniform(0, 0.2)) * self._noise(3.0)).clamp_min_(0)
        skull_mm = float(rng.uniform(0.08, 0.5))
        bone = skull_mm * (1 + 0.5 * self._noise(2.5)).clamp(0.3, 2) + 0.5 * torch.sigmoid((-2.5 - self.q[2]) * 2) * float(rng.uniform(0, 0.8))

        image = self._body(look, cavity, skull_mm)
        image = _over(image, cavity - bone, look['skull'] * (1 + 0.3 * self._noise(1.0)))
        if rng.random() < 0.6:  # marrow in the diploe
            image = _over(image, (cavity - 0.5 * bone).abs() - 0.08, look['fat'] * float(rng.uniform(0.2, 0.8)))
        image = _over(image, cavity, look['csf'] * (1 + 0.2 * self._noise(2.0)))
        image = self._inside(image, look, neural, parts)
        if rng.random() < 0.5:  # sinus and great vessels along the dorsal midline
            vein = torch.sqrt(self.q[0].square() + (cavity + 0.1).square()) - float(rng.uniform(0.12, 0.35))
            image = _over(image, vein, float(rng.uniform(0, 1.6)))

        if self.choices['stripped']:
            image = image * _inside(brain - float(rng.uniform(-0.15, 0.4)), 0.05)
        return image.clamp_min_(0), _inside(brain - float(rng.uniform(-0.03, 0.1)), 0.05)

    def _body(self, look, cavity, skull_mm):
        """Everything outside the skull: skin, fat, muscle, eyes, air spaces, objects beside the animal."""
        rng = self.rng
        cover = float(rng.uniform(0.5, 2.2)) + 0.5 * self._noise(4.0)
        wide = float(rng.uniform(0.85, 1.35))
        body = _union(self._ellipsoid([0, -1.5, -2.2], [6.6 * wide, 9.5, 5.2], 0.08), self._ellipsoid([0, 10, -2.4], [3.6, 7.5, 3.4], 0.1), 2.0)
        body = _union(body, self._ellipsoid([0, -12, -2.5], [7.0 * wide, 8.0, 6.0], 0.1), 2.0)
        if rng.random() < 0.5:  # ventral neck, chest: the field of view may hold more animal than head
            body = _union(body, self._ellipsoid([0, -4, -7.0], [6.5 * wide, 9.5, 4.5], 0.15), 2.0)
        body = _union(body, cavity - skull_mm - cover, 1.0)

        image = torch.zeros(SHAPE)
        for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.4 else 0):  # pads, tubes, ear bars
            centre = rng.uniform([-9, -12, -9], [9, 12, 9])
            image = _over(image, self._ellipsoid(centre, rng.uniform(0.7, 5, 3)), float(rng.uniform(0.2, 2.5)))

        skin, fat = float(rng.uniform(0.15, 0.7)), float(rng.uniform(0.0, 1.0))
        image = _over(image, body, look['skin'])
        image = _over(image, body + skin, look['fat'] * (1 + 0.2 * self._noise(1.5)))
        image = _over(image, body + skin + fat * (1 + self._noise(3.0)).clamp(0, 2), self._muscles(look))
        image = self._bellies(image, look, body)

        blobs = [
            (self._pair([4.6, 6.3, -0.6], [1.5, 1.5, 1.5], 0.12), look['eye']),
            (self._pair([4.4, 4.6, -1.2], [1.4, 1.6, 1.2], 0.15), look['gland']),
            (self._pair([3.6, -3.4, -3.9], [1.7, 2.0, 1.3], 0.12), look['air']),
            (self._pair([4.9, -5.2, -1.0], [1.0, 0.8, 0.8], 0.15), look['air']),
            (self._pair([2.0, -0.5, -3.9], [0.8, 3.2, 0.5], 0.15), look['nerve']),
            (self._pair([5.0, 3.0, -4.5], [0.5, 5.0, 1.6], 0.15), look['skull']),
            (self._ellipsoid([0, 11.0, -0.9], [1.8, 4.6, 1.8], 0.12), look['nose'] * (1 + 0.8 * self._noise(0.7)).clamp_min(0)),
            (self._ellipsoid([0, 4.0, -5.3], [0.8, 7.0, 0.5], 0.15), look['air']),
            (self._ellipsoid([0, 5.0, -6.8], [1.8, 6.0, 1.2], 0.15), look['muscle'][0]),
        ]
        for distance, value in blobs:
            if rng.random() < 0.85:
                image = _over(image, distance, value)
        for _ in range(int(rng.integers(4, 14))):  # vessels, nodes, teeth, fat pads: whatever else there is
            centre, radii = rng.uniform([0, -11, -8], [7, 13, 4]), np.exp(rng.uniform(math.log(0.25), math.log(2.5), 3))
            value = float(rng.choice([rng.uniform(0, 0.3), rng.uniform(0.3, 1.3), rng.uniform(1.0, 2.5)]))
            image = _over(image, torch.maximum(self._pair(centre, radii, 0), body + 0.2), value)
        return image

    def _muscles(self, look):
        """Muscle groups as the largest of smooth noises, with fascia between them."""
        first, second = self._noise(3.5), self._noise(3.5)
        values = look['muscle']
        image = torch.where(first > 0.3, values[0], torch.where(second > 0.2, values[1], values[2]))
        border = torch.minimum((first - 0.3).abs(), (second - 0.2).abs())
        image = image + (look['fascia'] - image) * torch.exp(-(border / 0.06).square())
        return image * (1 + float(self.rng.uniform(0, 0.15)) * self._noise(0.8))

    def _bellies(self, image, look, body):
        """Round muscles that lie against the skull or look like a brain of their own: what is easiest to mistake."""
        rng = self.rng
        muscles = [
            ([4.6, 3.2, -0.6], [1.9, 3.6, 2.6]),  # temporal
            ([4.2, 1.0, -4.2], [1.6, 3.6, 2.2]),  # masseter, pterygoid
            ([1.6, 2.5, -4.2], [1.4, 3.6, 1.2]),
            ([2.6, -8.5, 1.0], [2.4, 3.2, 1.9]),  # neck
            ([4.6, -7.5, -2.5], [1.8, 3.6, 2.6]),
        ]
        for centre, radii in muscles:
            distance = torch.maximum(self._pair(centre, radii, 0.18), body + 0.4)
            if rng.random() < 0.2:
                continue
            line = float(rng.uniform(0.0, 0.2))
            image = _over(image, distance - line, look['fascia'])
            image = _over(image, distance, look['muscle'][int(rng.integers(3))] * (1 + float(rng.uniform(0, 0.12)) * self._noise(1.2)))
        return image

    def _inside(self, image, look, neural, parts):
        rng, grey, spread = self.rng, look['brain'], look['spread']
        tone = lambda scale=1.0: grey * math.exp(rng.normal(0, spread * scale))
        texture = 1 + 0.5 * spread * self._noise(1.5) + 0.3 * spread * self._noise(0.7)
        image = _over(image, neural, tone(0.5) * texture)
        cortex = float(rng.uniform(0.7, 1.3))
        image = _over(image, parts['stem'], tone() * texture, 0.3)
        image = _over(image, parts['cerebellum'], tone() * (texture + spread * torch.sin(float(rng.uniform(3, 7)) * self._noise(2.0) * 2)), 0.15)
        image = _over(image, parts['cerebrum'] + cortex, tone(1.5) * texture, 0.12)
        image = _over(image, parts['cerebrum'] + cortex + float(rng.uniform(0.15, 0.4)), tone() * texture, 0.12)
        image = _over(image, parts['bulbs'] + 0.5, tone() * texture, 0.2)
        nuclei = [([1.9, 1.8, 0.0], [1.1, 1.7, 1.4]), ([2.3, -1.6, 0.9], [1.6, 1.1, 1.2]), ([1.0, -0.9, -0.6], [1.1, 1.5, 1.2]), ([2.8, -0.6, -1.6], [0.9, 1.4, 0.9])]
        for centre, radii in nuclei:
            image = _over(image, torch.maximum(self._pair(centre, radii, 0.12), neural), tone() * texture, 0.15)
        if rng.random() < 0.8:
            large = float(rng.uniform(0.5, 1.5))
            for centre, radii in [([1.1, 0.9, 0.9], [0.35, 1.6, 0.5]), ([2.6, -1.8, 0.4], [0.3, 0.7, 0.9]), ([0.1, -0.8, -0.9], [0.15, 1.8, 1.0]), ([0.1, -4.6, -0.5], [0.6, 1.2, 0.3])]:
                image = _over(image, torch.maximum(self._pair(centre, [r * large for r in radii], 0.12), neural), look['csf'])
        if rng.random() < 0.5:  # the fissure between the hemispheres
            depth = torch.maximum(parts['cerebrum'], 0.6 - self.q[2])
            image = _over(image, torch.maximum(self.q[0].abs() - float(rng.uniform(0.02, 0.12)), depth), look['csf'], 0.08)
        for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.3 else 0):  # lesions, bleedings, implants
            centre = rng.uniform([-3.5, -5, -2], [3.5, 5, 2.5])
            image = _over(image, torch.maximum(self._ellipsoid(centre, rng.uniform(0.3, 1.6, 3)), neural), float(rng.uniform(0, 1.8)), 0.15)
        return image


def _contrast(kind, rng):
    """Tissue intensities relative to brain = 1."""
    u = lambda lo, hi: float(rng.uniform(lo, hi))
    base = {
        't2': dict(muscle=(0.12, 0.75), fat=(0.3, 1.7), csf=(1.0, 2.2), eye=(1.0, 2.4), gland=(0.4, 1.6)),
        't1': dict(muscle=(0.75, 1.25), fat=(1.0, 2.6), csf=(0.3, 0.95), eye=(0.2, 1.0), gland=(0.6, 1.8)),
        'epi': dict(muscle=(0.0, 0.25), fat=(0.0, 0.4), csf=(0.9, 2.0), eye=(0.0, 1.6), gland=(0.0, 0.5)),
        'any': dict(muscle=(0.1, 1.8), fat=(0.0, 2.2), csf=(0.1, 2.2), eye=(0.0, 2.2), gland=(0.0, 2.2)),
    }[kind]
    look = {name: u(*limits) for name, limits in base.items() if name != 'muscle'}
    centre, width = u(*base['muscle']), u(0, 0.45)
    look['muscle'] = [max(0.0, centre * (1 + u(-width, width))) for _ in range(3)]
    look['fascia'] = u(0, 0.5) if rng.random() < 0.5 else look['fat']
    look['skull'] = u(0, 0.12) if rng.random() < 0.7 else u(0.05, 0.4)
    look['skin'] = u(0.1, 1.8) * (0.2 if kind == 'epi' else 1)
    look['air'] = u(0, 0.12) if rng.random() < 0.8 else u(0, 1.2)
    look['nerve'] = u(0.5, 1.15) * (u(0, 1) if kind == 'epi' else 1)
    look['nose'] = u(0.05, 0.9) * (0.3 if kind == 'epi' else 1)
    look['brain'], look['spread'] = 1.0, u(0.02, 0.22)
    return look


def _scan(image, brain, head, rng, fields):
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
            centre = [float(rng.choice([-1, 1]) * rng.uniform(2.5, 5)), float(rng.uniform(-5, 6)), float(rng.uniform(-4.5, -1))]
            image = image * (1 - float(rng.uniform(0.3, 1)) * _inside(head._ellipsoid(centre, rng.uniform(0.7, 2.2, 3)), 0.4))
    if rng.random() < (0.4 if kind == 'epi' else 0.06):  # N/2 ghost
        axis = int(rng.integers(3))
        image = image + float(rng.uniform(0.02, 0.15)) * image.roll(SHAPE[axis] // 2, axis)
    if rng.random() < 0.5:
        image = image.clamp_min(0) ** float(rng.uniform(0.7, 1.5))

    factors = rng.uniform(0.8, 1.5, 3)
    if kind == 'epi':
        factors = factors * 1.3
    if rng.random() < 0.6:
        # The slice axis is most often the long axis of the animal, wherever that lies on this grid.
        long_axis = head.choices['order'].index(1) if 1 in head.choices['order'] else 1
        axis = long_axis if rng.random() < 0.6 else int(rng.integers(3))
        factors[axis] = rng.uniform(1.5, 4.5)
    coarse = [max(4, int(round(n / max(1.0, f)))) for n, f in zip(SHAPE, factors)]
    sampled = F.interpolate(image[None, None], coarse, mode='area')[0, 0]
    sigma = float(np.exp(rng.uniform(math.log(0.005), math.log(0.15)))) * float(torch.quantile(sampled[::2, ::2, ::2], 0.95))
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


def smooth_noise(scale_mm, fields):
    """Cubic-smooth noise over SHAPE, standard deviation near 0.6, features of `scale_mm`."""
    knots = [max(3, int(math.ceil(n * SPACING_MM / scale_mm)) + 1) for n in SHAPE]
    grid = torch.randn([1, 1, *knots], generator=fields)
    twice = F.interpolate(grid, [min(2 * k, n) for k, n in zip(knots, SHAPE)], mode='trilinear', align_corners=True)
    return F.interpolate(twice, SHAPE, mode='trilinear', align_corners=True)[0, 0]


def _inside(distance, soft_mm):
    return torch.sigmoid(distance * (-1.0 / soft_mm))


def _over(image, distance, value, soft_mm=0.06):
    """Paints `value` where `distance` is negative, with a soft edge for the partial volume."""
    alpha = _inside(distance, soft_mm)
    return image + alpha * (value - image)


def _union(a, b, k):
    """Smooth minimum: two bodies with a fillet of radius `k` mm."""
    h = (k - (a - b).abs()).clamp_min_(0)
    return torch.minimum(a, b) - h.square() * (0.25 / k)


def _rotation(angles):
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [(1, 2), (0, 2), (0, 1)][axis]
        step = np.eye(3)
        step[i, i] = step[j, j] = math.cos(angle)
        step[i, j], step[j, i] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ step
    return matrix
