"""Measures an ONNX model the way the hub runs it: whole field of view, again centred on the answer and as near as it
fills its share of the grid, averaged over flips, back to the scan.

Heads with their skull are read here and by heads.py alone. Without --data only synthetic heads of held-out seeds are
measured.
"""

import argparse
import itertools
import json
import os

import nibabel
import numpy as np
import onnxruntime
from scipy import ndimage

from generator import generate
from scanner import CLIP
from shapes import SHAPE
from train import HELD_OUT

SPACING_MM = {'mouse': 0.25, 'rat': 0.40}
FILL, ZOOM, THRESHOLD = 0.15, (0.7, 1.25), 0.4
FLIPS = [axes for count in range(4) for axes in itertools.combinations(range(3), count)]
FACES = ndimage.generate_binary_structure(3, 1)

# name, species, image, mask, what has to be known about the header
CASES = [
    ('mouse T1w', 'mouse', 'mouse_T1w_head/sherm-1_T1w.nii.gz', 'mouse_T1w_head/sherm-1_mask.nii.gz', None),
    (
        'mouse T1w, axes corrected',
        'mouse',
        'mouse_T1w_head/sherm-1_T1w.nii.gz',
        'mouse_T1w_head/sherm-1_mask.nii.gz',
        'stack is A-P',
    ),
    (
        'mouse template 0.3 mm',
        'mouse',
        'mouse_template_head_300um/anat.nii.gz',
        'mouse_template_head_300um/mask.nii.gz',
        None,
    ),
    (
        'mouse EPI',
        'mouse',
        'mouse_EPI_head/emory-mouse1_EPI_forward0.nii.gz',
        'mouse_EPI_head/emory-mouse1_mask.nii.gz',
        'sizes x 10',
    ),
    ('rat T2w', 'rat', 'rat_T2w_head/nirodents-sub-15_T2w.nii.gz', None, None),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', required=True)
    parser.add_argument('--data', help='folder with the rodent heads named in CASES')
    parser.add_argument('--phantoms', type=int, default=60, help='synthetic heads of held-out seeds')
    parser.add_argument('--brains', help='folder of train.py: the synthetic heads are around those brains too')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--pictures', help='folder for PNG overlays of the real heads')
    options = parser.parse_args()
    model = Model(options.model)
    if options.data:
        for case in CASES:
            print(json.dumps(measure_scan(model, options, *case)), flush=True)
        stripped = os.path.join(options.data, 'mouse_invivo_T2w_stripped')
        if os.path.isdir(stripped):
            print(json.dumps(measure_stripped(model, stripped)), flush=True)
    if options.phantoms:
        print(json.dumps(measure_phantoms(model, options)), flush=True)


class Model:
    def __init__(self, file):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(file, settings, providers=['CPUExecutionProvider'])

    def probability(self, image, flips=((),)):
        return sum(np.flip(self._once(np.flip(image, axes)), axes) for axes in flips) / len(flips)

    def _once(self, image):
        image = np.ascontiguousarray(image[None, None], dtype=np.float32)
        background, brain = self.session.run(['brain'], {'image': image})[0][0]
        return 1 / (1 + np.exp(np.clip(background - brain, -60, 60)))


def segment(model, data, affine, spacing_mm):
    """Mask on the grid of `data`, mean probability inside it, and the mask of the first pass alone."""
    centre = affine[:3, :3] @ ((np.array(data.shape) - 1) / 2) + affine[:3, 3]
    probability = model.probability(scale(to_grid(data, affine, centre, spacing_mm)))
    native = from_grid(probability, affine, centre, spacing_mm, data.shape)
    first = clean(native >= THRESHOLD)
    weight = np.where(probability >= THRESHOLD, probability, 0)
    if weight.any():
        centre = centre + (np.array(ndimage.center_of_mass(weight)) - (np.array(SHAPE) - 1) / 2) * spacing_mm
        spacing_mm = spacing_mm * float(np.clip(((weight > 0).mean() / FILL) ** (1 / 3), *ZOOM))
        probability = model.probability(scale(to_grid(data, affine, centre, spacing_mm)), FLIPS)
        native = from_grid(probability, affine, centre, spacing_mm, data.shape)
    mask = clean(native >= THRESHOLD)
    return mask, float(native[mask].mean()) if mask.any() else 0.0, first


def to_grid(data, affine, centre, spacing_mm):
    size = np.sqrt((affine[:3, :3] ** 2).sum(0))
    for axis in range(3):
        ratio = spacing_mm / size[axis]
        if ratio > 1.1 and data.shape[axis] > 2:
            data = ndimage.gaussian_filter1d(data, 0.4 * ratio, axis, mode='nearest', truncate=3)
    index = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in SHAPE), indexing='ij')) * spacing_mm
    inverse = np.linalg.inv(affine)
    at = (
        np.einsum('ij,jxyz->ixyz', inverse[:3, :3], index + centre[:, None, None, None])
        + inverse[:3, 3, None, None, None]
    )
    return sample(data, at)


def from_grid(values, affine, centre, spacing_mm, shape):
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing='ij'))
    world = np.einsum('ij,jxyz->ixyz', affine[:3, :3], index) + affine[:3, 3, None, None, None]
    middle = (np.array(values.shape) - 1) / 2
    return sample(values, (world - centre[:, None, None, None]) / spacing_mm + middle[:, None, None, None])


def sample(data, at):
    """Trilinear; half a voxel beyond the outermost samples still belongs to them, further out is 0."""
    limits = np.array(data.shape)[:, None, None, None] - 0.5
    inside = ((at >= -0.5) & (at <= limits)).all(0)
    return np.where(inside, ndimage.map_coordinates(data, at, order=1, mode='nearest'), 0)


def scale(image):
    signal = np.sort(image[image > 0.01 * image.max()])
    reference = signal[min(len(signal) - 1, len(signal) * 99 // 100)] if len(signal) else 0
    return np.clip(image / reference, 0, CLIP) if reference > 0 else np.zeros_like(image)


def clean(mask):
    """Largest piece, holes filled slice by slice along the stored third axis."""
    labels, count = ndimage.label(mask, FACES)
    if count == 0:
        return mask
    mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return np.stack([ndimage.binary_fill_holes(mask[:, :, z]) for z in range(mask.shape[2])], -1)


def dice(a, b):
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def hd95(a, b, spacing):
    """Larger of the two directed 95th percentiles of surface distance, mm."""
    if not a.any() or not b.any():
        return None
    edges = [m & ~ndimage.binary_erosion(m, FACES) for m in (a, b)]
    away = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return float(max(np.percentile(away[1][edges[0]], 95), np.percentile(away[0][edges[1]], 95)))


def repaired(path, trap):
    """A scan and its affine, with what is known of its header put right."""
    file = nibabel.load(path)
    data, affine = np.squeeze(np.asarray(file.dataobj, dtype=np.float32)), file.affine.copy()
    if trap == 'sizes x 10':
        affine[:3] /= 10
    if trap == 'stack is A-P':  # stored x is R-L, stored y is dorsal to ventral, the stack runs posterior to anterior
        sizes = file.header.get_zooms()
        affine = np.array([[sizes[0], 0, 0, 0], [0, 0, sizes[2], 0], [0, -sizes[1], 0, 0], [0, 0, 0, 1]], dtype=float)
    return data, affine


def measure_scan(model, options, name, species, image, mask, trap):
    data, affine = repaired(os.path.join(options.data, image), trap)
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(0))
    found, confidence, first = segment(model, data, affine, SPACING_MM[species])
    result = {
        'case': name,
        'volume_mm3': round(float(found.sum() * spacing.prod())),
        'confidence': round(confidence, 3),
    }
    reference = None
    if mask:  # compared voxel by voxel: the mask's own affine is not trusted
        reference = np.squeeze(np.asarray(nibabel.load(os.path.join(options.data, mask)).dataobj)) > 0
        volume = float(reference.sum() * spacing.prod())
        distance = hd95(found, reference, spacing)
        result.update(
            dice=round(dice(found, reference), 3),
            dice_first_pass=round(dice(first, reference), 3),
            hd95_mm=distance and round(distance, 2),
            reference_mm3=round(volume),
            volume_error_percent=round(100 * (result['volume_mm3'] / volume - 1)),
        )
    if options.pictures:
        _picture(
            data,
            found,
            reference,
            spacing,
            os.path.join(options.pictures, name.replace(' ', '-').replace(',', '') + '.png'),
        )
    return result


def measure_stripped(model, folder):
    """Scans without a skull: says that such input is not destroyed, nothing about skull-stripping."""
    scores = []
    for name in sorted(n for n in os.listdir(folder) if n.endswith('_T2w.nii.gz')):
        file = nibabel.load(os.path.join(folder, name))
        labels = np.asarray(nibabel.load(os.path.join(folder, name.replace('_T2w', '_label'))).dataobj) > 0
        found, _, _ = segment(model, np.asarray(file.dataobj, dtype=np.float32), file.affine, SPACING_MM['mouse'])
        scores.append(dice(found, labels))
    return {
        'case': 'mouse T2w, already stripped',
        'count': len(scores),
        'dice_mean': round(float(np.mean(scores)), 3),
        'dice_min': round(min(scores), 3),
    }


def measure_phantoms(model, options):
    scores, heads = [], []
    for number in range(options.phantoms):
        image, mask, choices = generate((options.seed, HELD_OUT + number), options.brains, True)
        brain = model.probability(image * (CLIP / 255)) >= THRESHOLD
        scores.append(dice(brain, mask > 0))
        heads.append(choices['stripped'])
    scores, heads = np.array(scores), np.array(heads)
    return {
        'case': 'synthetic heads, held-out seeds, one pass',
        'count': len(scores),
        'dice_mean': round(float(scores.mean()), 3),
        'dice_median': round(float(np.median(scores)), 3),
        'dice_p10': round(float(np.percentile(scores, 10)), 3),
        'dice_min': round(float(scores.min()), 3),
        'dice_mean_with_skull': round(float(scores[~heads].mean()), 3),
    }


def _picture(data, found, reference, spacing, file):
    """Three slices along each stored axis through the found brain: answer in red, reference in green."""
    from PIL import Image

    tone = np.clip(data / np.percentile(data[data > 0.01 * data.max()], 99), 0, 1)
    where = np.argwhere(found if found.any() else np.ones_like(found))
    tiles = []
    for axis in range(3):
        for part in (0.15, 0.5, 0.85):
            k = int(np.quantile(where[:, axis], part))
            height, width = (round(n * s / 0.08) for n, s in zip(np.delete(data.shape, axis), np.delete(spacing, axis)))
            ratio = 300 / max(height, width)
            size = (max(1, int(width * ratio)), max(1, int(height * ratio)))
            grow = lambda plane: np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.NEAREST))
            tile = np.repeat(grow((tone.take(k, axis) * 255).astype(np.uint8))[..., None], 3, -1).copy()
            for mask, colour in ((reference, (0, 255, 0)), (found, (255, 0, 0))):
                if mask is not None:
                    plane = grow(mask.take(k, axis).astype(np.uint8)) > 0
                    tile[plane & ~ndimage.binary_erosion(plane)] = colour
            tiles.append(np.pad(tile, ((0, 300 - tile.shape[0]), (0, 300 - tile.shape[1]), (0, 0))))
    rows = [np.concatenate(tiles[n : n + 3], 1) for n in (0, 3, 6)]
    os.makedirs(os.path.dirname(file), exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(file)


if __name__ == '__main__':
    main()
