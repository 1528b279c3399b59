"""
The frozen definitions once more, with scipy, for masks in raw files: numpy does the sets, scipy.ndimage the erosion and
the exact distance transform, numpy.percentile the linear interpolation. The calls are those MetricsReloaded makes
(MetricsReloaded/metrics/pairwise_measures.py: dsc, normalised_surface_distance, measured_distance). Reads
[{reference, prediction, dims, spacing}] from a JSON file, and paired differences for scipy.stats.wilcoxon; writes JSON.
"""

import json
import sys

import numpy as np
from scipy import ndimage, stats


def mask(path, dims):
    return np.fromfile(path, dtype=np.uint8).reshape(dims, order="F")


def border(values):
    return values - ndimage.binary_erosion(values).astype(np.uint8)


def scores(case):
    reference = mask(case["reference"], case["dims"])
    prediction = mask(case["prediction"], case["dims"])
    spacing = case["spacing"]
    tolerance = sorted(spacing)[1]
    voxel = float(np.prod(spacing))
    edge_r, edge_p = border(reference), border(prediction)
    to_reference = ndimage.distance_transform_edt(1 - edge_r, sampling=spacing)[edge_p > 0]
    to_prediction = ndimage.distance_transform_edt(1 - edge_p, sampling=spacing)[edge_r > 0]
    both = np.concatenate([to_reference, to_prediction])
    r, p = int(reference.sum()), int(prediction.sum())
    return {
        "dice": 2 * int((reference & prediction).sum()) / (r + p),
        "nsd": float((both <= tolerance).sum() / both.size),
        "hd95Mm": float(max(np.percentile(to_reference, 95), np.percentile(to_prediction, 95))),
        "assdMm": float(both.sum() / both.size),
        "referenceMm3": r * voxel,
        "predictedMm3": p * voxel,
        "volumeDifferenceMm3": (p - r) * voxel,
        "volumeDifferencePercent": 100 * (p - r) / r,
    }


def wilcoxon(differences):
    values = np.array(differences)
    kept = values[values != 0]
    n, ties = len(kept), len(set(np.abs(kept))) < len(kept)
    if n > 50:
        found = stats.wilcoxon(values, zero_method="wilcox", method="approx", correction=False)
    elif not ties:
        found = stats.wilcoxon(kept, method="exact")
    else:
        # The exact distribution under ties: every way to sign the ranks.
        ranks = stats.rankdata(np.abs(kept))
        signs = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        sums = signs @ ranks
        positive = float(ranks[kept > 0].sum())
        smaller = min(positive, float(ranks.sum()) - positive)
        return {"statistic": smaller, "p": min(1.0, 2 * float((sums <= smaller + 1e-9).mean()))}
    return {"statistic": float(found.statistic), "p": float(found.pvalue)}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump({"scores": [scores(case) for case in asked["cases"]], "tests": [wilcoxon(d) for d in asked["tests"]]}, file)


main()
