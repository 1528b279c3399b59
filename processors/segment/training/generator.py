"""Synthetic rodent heads: an image and its brain mask from a seed, and from a folder of brains where one is given.

A head is a list of soft signed distances (ellipsoids, smooth unions, shells) in millimetres of a mouse brain frame
(x right, y anterior, z dorsal, origin in the brain), painted from the outside in, then "scanned": coil, blur, slices,
noise, field of view, orientation. The brain in it is a union of ellipsoids, or one of anatomy.py bent as they are;
everything outside the brain is always procedural.
A rat is the same grid at 0.40 mm instead of 0.25 mm: the variation of shape is wide enough for both.
"""

import math

import numpy as np
import torch

import anatomy
from contrast import contrast
from scanner import CLIP, scan
from shapes import SHAPE, SPACING_MM, ellipsoid, inside, over, smooth_noise, union


# How often which brain: a union of ellipsoids, labels in arbitrary tones, the tones of a scan, a rat's outline.
BRAINS = {'procedural': 0.30, 'labels': 0.40, 'scan': 0.18, 'mask': 0.12}

PROCEDURAL_MM3 = 490
# What a brain fills of the grid when it is looked at again: 0.15 of it.
SECOND_PASS_MM3 = 0.15 * SHAPE[0] * SHAPE[1] * SHAPE[2] * SPACING_MM**3


def generate(seed, brains=None, full_output=False):
    """One head: uint8 image (255 = CLIP) and uint8 mask (255 = brain), both SHAPE; the same for the same seed.

    :param seed: int or sequence of ints
    :param brains: folder of label maps, stripped scans and masks; without it every brain is procedural
    :param full_output: also return the dictionary of the choices that were drawn
    """
    rng = np.random.default_rng(seed)
    fields = torch.Generator().manual_seed(int(rng.integers(2**62)))
    with torch.no_grad():
        head = _Head(rng, fields, brains)
        image, brain = head.paint()
        image, brain = scan(image, brain, head, rng, fields)
    image = (image / CLIP * 255).round().to(torch.uint8).numpy()
    mask = (brain > 0.5).to(torch.uint8).mul(255).numpy()
    return (image, mask, head.choices) if full_output else (image, mask)


class _Head:
    """The geometry of one animal on the sampling grid, and how its tissues look."""

    def __init__(self, rng, fields, brains=None):
        self.rng, self.fields, self.brains = rng, fields, brains
        self.choices = {
            'contrast': str(rng.choice(['t2', 't1', 'epi', 'any'], p=[0.42, 0.32, 0.13, 0.13])),
            'stripped': bool(rng.random() < 0.2),
        }
        self.real = self._real_brain()
        self.q = self._brain_coordinates()

    def _real_brain(self):
        """A brain of the folder, or none."""
        rng = self.rng
        if self.brains is None:
            self.choices['brain'] = 'procedural'
            return None
        kind = str(rng.choice(list(BRAINS), p=list(BRAINS.values())))
        self.choices['brain'] = kind
        if kind == 'procedural':
            return None
        kinds = anatomy.by_kind(self.brains)
        if kind == 'labels' and rng.random() < 0.55:  # the scans have labels too
            source = 'scan'
        else:
            source = kind
        return anatomy.load(source, kinds[source][int(rng.integers(len(kinds[source])))])

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
        # Preclinical headers may call the long axis of a prone animal A-P or S-I; any mix has to work.
        order = [0, 1, 2] if kind < 0.55 else [0, 2, 1] if kind < 0.82 else list(rng.permutation(3))
        signs = rng.choice([-1.0, 1.0], 3)
        permute = np.zeros((3, 3))
        permute[range(3), order] = signs
        aspect = np.clip(rng.normal(1, 0.06, 3), 0.85, 1.15)
        # The second pass sees every brain at about one size; the first sees them as they come.
        second = rng.random() < 0.6
        if second:
            volume = float(np.clip(rng.normal(SECOND_PASS_MM3, 0.15 * SECOND_PASS_MM3), 550, 1300))
            size = (volume / (self.real.volume if self.real else PROCEDURAL_MM3) / float(aspect.prod())) ** (1 / 3)
        else:
            size = float(np.clip(rng.normal(1.0, 0.09), 0.75, 1.3))
        self.choices['second'] = second
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
        return ellipsoid(self.q, centre, radii)

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
        cerebrum = union(cerebrum, self._pair([2.6, -1.2, -0.6], [2.6, 3.2, 2.6]), k)
        cerebrum = union(cerebrum, self._ellipsoid([0, 0.2, -1.3], [2.3, 4.2, 2.1], 0.08), k)
        cerebrum = union(cerebrum, self._ellipsoid([0, 0.8, 0.5], [2.2, 4.6, 2.5], 0.05), k)
        bulbs = self._pair([0.75, 5.9, 0.0], [1.0, 2.2, 1.15])
        cerebellum = self._ellipsoid([0, -5.2, 0.5], [3.3, 1.9, 2.1], 0.08)
        cerebellum = union(cerebellum, self._ellipsoid([0, -5.4, 0.9], [1.4, 2.1, 2.0], 0.08), k)
        cerebellum = torch.minimum(cerebellum, self._pair([3.9, -4.7, -0.7], [0.9, 0.9, 0.8]))
        stem = union(
            self._ellipsoid([0, -4.3, -2.0], [2.2, 3.6, 1.5], 0.08),
            self._ellipsoid([0, -3.0, 1.3], [2.3, 1.6, 1.5], 0.08),
            k,
        )
        cord_top, r = self.rng.uniform(-0.3, 0.3) - 1.6, float(self.rng.uniform(1.0, 1.5))
        x, y, z = self.q
        cord = torch.sqrt(x * x + (z - float(cord_top) - 0.05 * (y + 6)).square()) - r
        cord = torch.maximum(cord, y + 4.0)
        neural = union(union(union(cerebrum, bulbs, 0.5 * k), stem, k), cerebellum, 0.3 * k)
        neural = union(neural, cord, k)
        if self.real is not None:
            distance = self.real.sample(self.real.distance, self.q)
            # An outline of thick slices has neither the tips of the bulbs nor the cord.
            whole = self.choices['brain'] != 'mask'
            neural = distance if whole else union(union(distance, bulbs, 0.3), cord, k)
        end = float(self.rng.uniform(-8.5, -6.4))  # where the mask leaves the cord is a convention: vary it
        return (
            neural,
            torch.maximum(neural, end - y),
            {'cerebrum': cerebrum, 'cerebellum': cerebellum, 'bulbs': bulbs, 'stem': stem},
        )

    def paint(self):
        """The clean image (brain about 1) and the brain occupancy, before the scanner."""
        rng = self.rng
        look = contrast(self.choices['contrast'], rng)
        neural, brain, parts = self._brain()
        gap = float(rng.uniform(0.0, 0.25 if rng.random() < 0.75 else 0.45))
        cavity = neural - gap - (float(rng.uniform(0, 0.2)) * self._noise(3.0)).clamp_min_(0)
        skull_mm = float(rng.uniform(0.08, 0.5))
        bone = skull_mm * (1 + 0.5 * self._noise(2.5)).clamp(0.3, 2) + 0.5 * torch.sigmoid(
            (-2.5 - self.q[2]) * 2
        ) * float(rng.uniform(0, 0.8))

        image = self._body(look, cavity, skull_mm)
        image = over(image, cavity - bone, look['skull'] * (1 + 0.3 * self._noise(1.0)))
        if rng.random() < 0.6:  # marrow in the diploe
            image = over(image, (cavity - 0.5 * bone).abs() - 0.08, look['fat'] * float(rng.uniform(0.2, 0.8)))
        image = over(image, cavity, look['csf'] * (1 + 0.2 * self._noise(2.0)))
        if self.real is not None and self.real.labels is not None:
            image = self._real_tissue(image, look, neural)
        else:
            image = self._tissue(image, look, neural, parts)
        if rng.random() < 0.5:  # sinus and great vessels along the dorsal midline
            vein = torch.sqrt(self.q[0].square() + (cavity + 0.1).square()) - float(rng.uniform(0.12, 0.35))
            image = over(image, vein, float(rng.uniform(0, 1.6)))

        if self.choices['stripped']:
            image = image * inside(brain - float(rng.uniform(-0.15, 0.4)), 0.05)
        # Expert masks run along the rim or a little outside it; on EPI, where no rim is seen, more.
        outward = float(rng.uniform(0.02, 0.30) if self.choices['contrast'] == 'epi' else rng.uniform(-0.02, 0.16))
        return image.clamp_min_(0), inside(brain - outward, 0.05)

    def _body(self, look, cavity, skull_mm):
        """Everything outside the skull: skin, fat, muscle, eyes, air spaces, objects beside the animal."""
        rng = self.rng
        cover = float(rng.uniform(0.5, 2.2)) + 0.5 * self._noise(4.0)
        wide = float(rng.uniform(0.85, 1.35))
        body = union(
            self._ellipsoid([0, -1.5, -2.2], [6.6 * wide, 9.5, 5.2], 0.08),
            self._ellipsoid([0, 10, -2.4], [3.6, 7.5, 3.4], 0.1),
            2.0,
        )
        body = union(body, self._ellipsoid([0, -12, -2.5], [7.0 * wide, 8.0, 6.0], 0.1), 2.0)
        if rng.random() < 0.5:  # ventral neck, chest: the field of view may hold more animal than head
            body = union(body, self._ellipsoid([0, -4, -7.0], [6.5 * wide, 9.5, 4.5], 0.15), 2.0)
        body = union(body, cavity - skull_mm - cover, 1.0)

        image = torch.zeros(SHAPE)
        for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.4 else 0):  # pads, tubes, ear bars
            centre = rng.uniform([-9, -12, -9], [9, 12, 9])
            image = over(image, self._ellipsoid(centre, rng.uniform(0.7, 5, 3)), float(rng.uniform(0.2, 2.5)))

        skin, fat = float(rng.uniform(0.15, 0.7)), float(rng.uniform(0.0, 1.0))
        image = over(image, body, look['skin'])
        image = over(image, body + skin, look['fat'] * (1 + 0.2 * self._noise(1.5)))
        image = over(image, body + skin + fat * (1 + self._noise(3.0)).clamp(0, 2), self._muscles(look))
        image = self._bellies(image, look, body)

        blobs = [
            (self._pair([4.6, 6.3, -0.6], [1.5, 1.5, 1.5], 0.12), look['eye']),
            (self._pair([4.4, 4.6, -1.2], [1.4, 1.6, 1.2], 0.15), look['gland']),
            (self._pair([3.6, -3.4, -3.9], [1.7, 2.0, 1.3], 0.12), look['air']),
            (self._pair([4.9, -5.2, -1.0], [1.0, 0.8, 0.8], 0.15), look['air']),
            (self._pair([2.0, -0.5, -3.9], [0.8, 3.2, 0.5], 0.15), look['nerve']),
            (self._pair([5.0, 3.0, -4.5], [0.5, 5.0, 1.6], 0.15), look['skull']),
            (
                self._ellipsoid([0, 11.0, -0.9], [1.8, 4.6, 1.8], 0.12),
                look['nose'] * (1 + 0.8 * self._noise(0.7)).clamp_min(0),
            ),
            (self._ellipsoid([0, 4.0, -5.3], [0.8, 7.0, 0.5], 0.15), look['air']),
            (self._ellipsoid([0, 5.0, -6.8], [1.8, 6.0, 1.2], 0.15), look['muscle'][0]),
        ]
        for distance, value in blobs:
            if rng.random() < 0.85:
                image = over(image, distance, value)
        for _ in range(int(rng.integers(4, 14))):  # vessels, nodes, teeth, fat pads: whatever else there is
            centre, radii = rng.uniform([0, -11, -8], [7, 13, 4]), np.exp(rng.uniform(math.log(0.25), math.log(2.5), 3))
            value = float(rng.choice([rng.uniform(0, 0.3), rng.uniform(0.3, 1.3), rng.uniform(1.0, 2.5)]))
            image = over(image, torch.maximum(self._pair(centre, radii, 0), body + 0.2), value)
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
            image = over(image, distance - line, look['fascia'])
            image = over(
                image,
                distance,
                look['muscle'][int(rng.integers(3))] * (1 + float(rng.uniform(0, 0.12)) * self._noise(1.2)),
            )
        return image

    def _real_tissue(self, image, look, neural):
        """The tones of a scan, bent at random, or one at random for each label; sometimes something of both."""
        rng, spread, real = self.rng, look['spread'], self.real
        tones = np.exp(rng.normal(0, 1.5 * spread, 41)).astype(np.float32)
        if rng.random() < 0.7:  # mostly left and right look alike
            tones[21:41] = tones[1:21] * np.exp(rng.normal(0, 0.1 * spread, 20))
        if rng.random() < 0.8:
            tones[list(anatomy.VENTRICLES)] = look['csf']
        value = real.sample(torch.from_numpy(tones)[real.labels.long()], self.q)
        if self.choices['brain'] == 'scan':
            scan = real.sample(real.tone, self.q).clamp(0, 3)
            kind = rng.random()
            if kind < 0.55:
                scan = scan ** float(rng.uniform(0.5, 1.6))
            elif kind < 0.8:  # what is bright in T2 is dark in T1
                scan = (1 + float(rng.uniform(0.2, 0.8)) * (1 - scan)).clamp(0.1, 2)
            value = scan * value ** (float(rng.uniform(0, 1)) if rng.random() < 0.3 else 0.0)
        texture = 1 + 0.3 * spread * self._noise(1.5) + 0.3 * spread * self._noise(0.7)
        image = over(image, neural, value * texture)
        return self._lesions(image, neural)

    def _tissue(self, image, look, neural, parts):
        rng, grey, spread = self.rng, look['brain'], look['spread']
        tone = lambda scale=1.0: grey * math.exp(rng.normal(0, spread * scale))
        texture = 1 + 0.5 * spread * self._noise(1.5) + 0.3 * spread * self._noise(0.7)
        image = over(image, neural, tone(0.5) * texture)
        cortex = float(rng.uniform(0.7, 1.3))
        image = over(image, parts['stem'], tone() * texture, 0.3)
        image = over(
            image,
            parts['cerebellum'],
            tone() * (texture + spread * torch.sin(float(rng.uniform(3, 7)) * self._noise(2.0) * 2)),
            0.15,
        )
        image = over(image, parts['cerebrum'] + cortex, tone(1.5) * texture, 0.12)
        image = over(image, parts['cerebrum'] + cortex + float(rng.uniform(0.15, 0.4)), tone() * texture, 0.12)
        image = over(image, parts['bulbs'] + 0.5, tone() * texture, 0.2)
        nuclei = [
            ([1.9, 1.8, 0.0], [1.1, 1.7, 1.4]),
            ([2.3, -1.6, 0.9], [1.6, 1.1, 1.2]),
            ([1.0, -0.9, -0.6], [1.1, 1.5, 1.2]),
            ([2.8, -0.6, -1.6], [0.9, 1.4, 0.9]),
        ]
        for centre, radii in nuclei:
            image = over(image, torch.maximum(self._pair(centre, radii, 0.12), neural), tone() * texture, 0.15)
        if rng.random() < 0.8:
            large = float(rng.uniform(0.5, 1.5))
            for centre, radii in [
                ([1.1, 0.9, 0.9], [0.35, 1.6, 0.5]),
                ([2.6, -1.8, 0.4], [0.3, 0.7, 0.9]),
                ([0.1, -0.8, -0.9], [0.15, 1.8, 1.0]),
                ([0.1, -4.6, -0.5], [0.6, 1.2, 0.3]),
            ]:
                image = over(
                    image, torch.maximum(self._pair(centre, [r * large for r in radii], 0.12), neural), look['csf']
                )
        if rng.random() < 0.5:  # the fissure between the hemispheres
            depth = torch.maximum(parts['cerebrum'], 0.6 - self.q[2])
            image = over(
                image, torch.maximum(self.q[0].abs() - float(rng.uniform(0.02, 0.12)), depth), look['csf'], 0.08
            )
        return self._lesions(image, neural)

    def _lesions(self, image, neural):
        rng = self.rng
        for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.3 else 0):  # lesions, bleedings, implants
            centre = rng.uniform([-3.5, -5, -2], [3.5, 5, 2.5])
            image = over(
                image,
                torch.maximum(self._ellipsoid(centre, rng.uniform(0.3, 1.6, 3)), neural),
                float(rng.uniform(0, 1.8)),
                0.15,
            )
        return image


def _rotation(angles):
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [(1, 2), (0, 2), (0, 1)][axis]
        step = np.eye(3)
        step[i, i] = step[j, j] = math.cos(angle)
        step[i, j], step[j, i] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ step
    return matrix
