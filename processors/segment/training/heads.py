"""Writes heads as files for the hub's own commands: the real ones of evaluate.py with their headers repaired and each
reference on its scan's own grid (the hub does not compare masks that lie elsewhere than their scan says), for
`hub evaluate`; and synthetic ones of held-out seeds, whose truth is known, for `npm run bench -- reliability`.
"""

import argparse
import os

import nibabel
import numpy as np

from evaluate import CASES, repaired
from generator import generate
from train import HELD_OUT

SYNTHETIC_MM = 0.2  # of a brain that fills the grid at the second look, a mouse's volume


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', help='folder with the rodent heads named in evaluate.py')
    parser.add_argument('--synthetic', type=int, default=0, help='so many synthetic heads')
    parser.add_argument('--brains', help='folder of train.py: the synthetic heads are around those brains too')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--out', required=True, help='gets scans/ and masks/')
    options = parser.parse_args()
    for folder in ('scans', 'masks'):
        os.makedirs(os.path.join(options.out, folder), exist_ok=True)
    if options.data:
        real(options)
    affine = np.diag([SYNTHETIC_MM] * 3 + [1])
    for number in range(options.synthetic):
        image, mask = generate((options.seed, HELD_OUT + number), options.brains)
        save(image, affine, os.path.join(options.out, 'scans', f'synthetic-{number:03}.nii.gz'))
        save((mask > 0).astype(np.uint8), affine, os.path.join(options.out, 'masks', f'synthetic-{number:03}_mask.nii.gz'))


def real(options):
    table = ['case,subject,species,sequence']
    for name, species, image, mask, trap in CASES:
        if mask is None or trap is None and 'T1w' in name:
            continue
        data, affine = repaired(os.path.join(options.data, image), trap)
        reference = np.squeeze(np.asarray(nibabel.load(os.path.join(options.data, mask)).dataobj)) > 0
        case = name.split(',')[0].replace(' ', '-').replace('.', '')
        save(data, affine, os.path.join(options.out, 'scans', f'{case}.nii.gz'))
        save(reference.astype(np.uint8), affine, os.path.join(options.out, 'masks', f'{case}_mask.nii.gz'))
        table.append(f'{case},{case},{species},{name.split()[1]}')
    with open(os.path.join(options.out, 'scans', 'cases.csv'), 'w') as file:
        file.write('\n'.join(table) + '\n')


def save(values, affine, path):
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units('mm')
    nibabel.save(image, path)


if __name__ == '__main__':
    main()
