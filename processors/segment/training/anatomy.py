"""Brains of real animals as shapes: label maps, stripped scans and masks of a folder, in the generator's brain frame.

Nothing here is shipped and nothing is found by itself: the folder is an option of train.py. Heads with a skull in that
folder are never opened; they are what evaluate.py measures on.
"""

import functools
import hashlib
import os

import nibabel
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

VENTRICLES = (10, 30)
CEREBELLUM, BULBS, CORTEX, STEM = (8, 28), (16, 36), (14, 34), (17, 37)
# Where the generator's own brain has them, mm: the middle between bulbs and cerebellum, the cortex.
MIDDLE_Y, CORTEX_Z = 0.35, 0.4
CORD_Y = -7.4  # about where masks leave the cord
MARGIN_MM = 2.5
RAT_TO_MOUSE = 0.25 / 0.40  # both fill the same grid


class Anatomy:
    """One brain: signed distance in mm (negative inside), and its labels or the intensities of its scan."""

    def __init__(self, distance, spacing, origin, labels=None, tone=None):
        self.distance, self.labels, self.tone = distance, labels, tone
        self.spacing, self.origin = spacing, origin  # origin: brain frame coordinates of voxel 0
        ahead = origin[1] + np.arange(distance.shape[1]) * spacing[1] > CORD_Y
        self.volume = float((distance.numpy()[:, ahead] < 0).sum() * np.prod(spacing))  # without the cord, mm3

    def sample(self, volume, q):
        """Trilinear at the coordinates `q` of the brain frame; beyond the volume its outermost values."""
        place = [
            ((c - float(o)) / float(s)) * (2.0 / (n - 1)) - 1.0
            for c, o, s, n in zip(q, self.origin, self.spacing, volume.shape)
        ]
        grid = torch.stack(place[::-1], -1)[None]
        return F.grid_sample(volume[None, None], grid, padding_mode='border', align_corners=True)[0, 0]


def sources(folder):
    """What the folder has: (kind, paths), each brain once although some files hold the same labels."""
    found, seen = [], set()
    for name in ('mouse_NeAt_labels_only', 'mouse_invivo_T2w_stripped'):
        place = os.path.join(folder, name)
        for file in sorted(n for n in os.listdir(place) if n.endswith('_label.nii.gz')):
            path = os.path.join(place, file)
            digest = hashlib.sha256(np.asarray(nibabel.load(path).dataobj).tobytes()).digest()
            if digest in seen:
                continue
            seen.add(digest)
            scan = path.replace('_label', '_T2w')
            found.append(('scan', (path, scan)) if os.path.exists(scan) else ('labels', (path,)))
    place = os.path.join(folder, 'rat_masks_only')
    found += [('mask', (os.path.join(place, n),)) for n in sorted(os.listdir(place)) if n.endswith('_mask.nii.gz')]
    return found


@functools.lru_cache(maxsize=1)
def by_kind(folder):
    kinds = {'labels': [], 'scan': [], 'mask': []}
    for kind, paths in sources(folder):
        kinds[kind].append(paths)
    return kinds


@functools.lru_cache(maxsize=64)
def load(kind, paths):
    return _from_mask(*paths) if kind == 'mask' else _from_labels(*paths)


def _from_labels(path, scan=None):
    file = nibabel.load(path)
    labels = np.asarray(file.dataobj).round().astype(np.uint8)
    spacing = np.array(file.header.get_zooms()[:3], dtype=float)
    tone = np.asarray(nibabel.load(scan).dataobj, dtype=np.float32) if scan else None
    # The first slices may hold a shred of the cord: it goes on from where its cross-section is whole.
    area = (labels > 0).sum((0, 2)) * spacing[0] * spacing[2]
    start = int(np.argmax(area > 4.0)) + 2
    low, high = (f((labels > 0).nonzero()[axis] for axis in (0, 2)) for f in (_least, _most))
    ahead = int(np.nonzero(area)[0].max()) + 1
    box = (slice(low[0], high[0] + 1), slice(start, ahead), slice(low[1], high[1] + 1))
    margin = np.ceil(MARGIN_MM / spacing).astype(int)
    sides = [(margin[0],) * 2, (0, margin[1]), (margin[2],) * 2]
    labels = np.pad(labels[box], sides)
    origin = -_frame(labels, spacing) * spacing
    distance = _distance(labels > 0, spacing, tail=True)
    if tone is not None:
        tone = np.pad(tone[box], sides)
        known = (labels > 0) & (tone > 0)
        nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        tone = (tone / np.median(tone[known]))[tuple(nearest)]
        tone = torch.from_numpy(np.ascontiguousarray(tone, dtype=np.float32))
    # Labels reach outward to where the distance decides, so that no background bleeds in.
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return Anatomy(torch.from_numpy(distance), spacing, origin, torch.from_numpy(labels[tuple(nearest)]), tone)


def _least(indices):
    return [int(i.min()) for i in indices]


def _most(indices):
    return [int(i.max()) for i in indices]


def _frame(labels, spacing):
    """Voxel at the brain frame's origin."""
    middle = lambda which: np.mean([np.argwhere(labels == one).mean(0) for one in which], axis=0)
    cortex, between = middle(CORTEX), (middle(CEREBELLUM) + middle(BULBS)) / 2
    return np.array([cortex[0], between[1] - MIDDLE_Y / spacing[1], cortex[2] - CORTEX_Z / spacing[2]])


def _distance(mask, spacing, tail):
    """Signed, a little smoothed: label maps have steps. With `tail` what touches the hind end goes on behind it."""
    extra = 12 if tail else 0
    mask = np.pad(mask, [(0, 0), (extra, 0), (0, 0)], mode='edge')
    mask = ndimage.binary_fill_holes(mask)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    distance = outside - ndimage.distance_transform_edt(mask, sampling=spacing)
    distance = ndimage.gaussian_filter(distance, 0.1 / spacing)[:, extra:]
    return np.ascontiguousarray(distance, dtype=np.float32)


def _from_mask(path):
    """A rat's mask: stored x is R-L, y ventral, the thick slices run forward; between them the shape is interpolated."""
    file = nibabel.load(path)
    mask = np.asarray(file.dataobj) > 0
    pieces, _ = ndimage.label(mask)
    mask = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    spacing = np.array(file.header.get_zooms()[:3], dtype=float) * RAT_TO_MOUSE
    widest = int(np.argmax(mask.sum((0, 1))))
    where = np.argwhere(mask)
    low, high = where.min(0), where.max(0) + 1
    mask = mask[low[0] : high[0], low[1] : high[1]]
    across = spacing[:2]
    slices = [
        ndimage.distance_transform_edt(~mask[:, :, k], sampling=across)
        - ndimage.distance_transform_edt(mask[:, :, k], sampling=across)
        for k in range(mask.shape[2])
    ]
    step = 0.15
    smooth = ndimage.zoom(np.stack(slices, -1), [s / step for s in spacing], order=1, grid_mode=True, mode='nearest')
    smooth = smooth.transpose(0, 2, 1)[:, :, ::-1] < 0  # x, forward, dorsal
    pad = int(np.ceil(MARGIN_MM / step))
    middle = np.array([(smooth.shape[0] - 1) / 2, (widest + 0.5) * spacing[2] / step, (smooth.shape[2] - 1) / 2]) + pad
    spacing = np.full(3, step)
    distance = _distance(np.pad(smooth, pad), spacing, tail=False)
    return Anatomy(torch.from_numpy(distance), spacing, np.array([0, -0.3, 0]) - middle * step)
