"""The published formulas once more, in numpy and as directly as they are written down, on data made or read here.

Usage: oracle.py FOLDER IMAGE.nii.gz MASK.nii.gz - writes raw float32 / uint8 files (x fastest) and expected.json.
"""
import gzip
import json
import struct
import sys

import numpy as np

folder, image_path, mask_path = sys.argv[1:4]


def nifti(path):
    raw = gzip.open(path).read()
    dims = struct.unpack('<8h', raw[40:56])
    shape = [max(1, n) for n in dims[1:1 + dims[0]]]
    kind = {2: np.uint8, 4: np.int16, 8: np.int32, 16: np.float32, 64: np.float64, 512: np.uint16}[
        struct.unpack('<h', raw[70:72])[0]]
    start = int(struct.unpack('<f', raw[108:112])[0])
    slope, inter = struct.unpack('<2f', raw[112:120])
    data = np.frombuffer(raw, kind, int(np.prod(shape)), start).reshape(shape, order='F').astype(np.float64)
    return data if slope in (0, 1) and inter == 0 else data * slope + inter


def save(name, array, kind=np.float32):
    np.asarray(array, kind).ravel(order='F').tofile(f'{folder}/{name}')


def mad(x):
    return np.median(np.abs(x - np.median(x))) / 0.6744897501960817


# AIDAqc ---------------------------------------------------------------------------------------------------------------
def snr_chang(volume):
    ns = volume.shape[2]
    low, high = (0, ns) if ns <= 4 else (ns // 2 - 2, ns // 2 + 2)
    values = []
    for k in range(low, high):
        s = volume[:, :, k]
        x = s.ravel()
        bins = int(np.ceil(np.sqrt(x.size)))
        count, edges = np.histogram(x, bins)
        sigma = np.argmax(count) / bins
        h = 1.06 * x.size ** (-1 / 5) * sigma
        if h == 0:
            continue
        points = np.linspace(0, 1, bins)
        density = np.array([np.exp(-0.5 * ((x / x.max() - p) / h) ** 2).sum() for p in points])
        noise = edges[np.argmax(density)] / 10
        values.append(20 * np.log10(s.mean() / noise))
    return float(np.mean(values))


def snr_normal(volume):
    shape = volume.shape
    grid = np.indices(shape)
    com = [int((volume * g).sum() / volume.sum()) for g in grid]
    radius = min(int(np.floor(0.1 * np.mean(shape))), shape[2])
    ball = sum((g - c) ** 2 for g, c in zip(grid, com)) <= radius ** 2
    x, y, z = (int(np.ceil(n * 0.15)) for n in shape)
    corners = [volume[a, b, c] for a in (slice(None, x), slice(-x, None)) for b in (slice(None, y), slice(-y, None))
               for c in (slice(None, z), slice(-z, None))]
    return float(20 * np.log10(volume[ball].mean() / np.std(np.array(corners))))


def mutual(a, b):
    joint, _, _ = np.histogram2d(a.ravel(), b.ravel(), bins=20)
    pxy = joint / joint.sum()
    px, py = pxy.sum(1), pxy.sum(0)
    nz = pxy > 0
    return (pxy[nz] * np.log(pxy[nz] / (px[:, None] * py[None, :])[nz])).sum()


def displacement(series, first):
    slice_ = np.argmax(series.mean(axis=(0, 1, 3)))
    ref = series[:, :, slice_, first]
    mi = [mutual(ref, series[:, :, slice_, t]) for t in range(first + 1, series.shape[3])]
    return float(np.std(mi)), float(np.max(mi) - np.min(mi))


def tsnr_db(series, first):
    steady = series[..., first:]
    mean, std = steady.mean(-1), steady.std(-1)
    grid = np.indices(mean.shape)
    com = [int((mean * g).sum() / mean.sum()) for g in grid]
    ball = sum((g - c) ** 2 for g, c in zip(grid, com)) <= np.floor(0.1 * np.mean(mean.shape[:2])) ** 2
    return float((20 * np.log10(mean / std))[ball].mean())


def ghost(volume):
    ref = volume[:, :, volume.shape[2] // 2]
    n = ref.shape[1]
    curve = np.array([mutual(np.roll(ref, i), ref) for i in range(n)])
    peaks = [i for i in range(1, n - 1) if curve[i] > curve[i - 1] and curve[i] > curve[i + 1]]
    places = []
    part = 2
    while n % part == 0:
        places.append(n / part)
        part *= 2
    weak = [p for p in peaks if p in places]
    strong = [p for p in weak if curve[p] >= 0.25 * curve.max()]
    return int(len(weak) > 2 or len(strong) > 0)


# MRIQC ----------------------------------------------------------------------------------------------------------------
def efc(x):
    n = x.size
    top = np.sqrt(n) * np.log(1 / np.sqrt(n))
    b = np.sqrt((x ** 2).sum())
    return float((1 / top) * np.sum((x / b) * np.log((x + 1e-16) / b)))


def fber(x, mask):
    back = np.median(np.abs(x[mask == 0]) ** 2)
    return -1.0 if back < 1e-3 else float(np.median(np.abs(x[mask > 0]) ** 2) / back)


def gsr(x, mask, axis):
    moved = np.roll(mask, mask.shape[axis] // 2, axis) * (1 - mask)
    label = moved + 2 * (1 - moved - mask)
    return float((x[label == 1].mean() - x[label == 2].mean()) / np.median(x[label == 0]))


def fwhm(x, mask):
    out = []
    var = x[mask > 0].var(ddof=1)
    for axis in range(3):
        a, b = [np.take(v, range(v.shape[axis] - 1), axis) for v in (x, mask)]
        c, d = [np.take(v, range(1, v.shape[axis]), axis) for v in (x, mask)]
        diff = (c - a)[(b > 0) & (d > 0)].var(ddof=1)
        out.append(float(2.35482 * np.sqrt(-1 / (4 * np.log(1 - 0.5 * diff / var)))))
    return out


def dvars(rows):
    rows = rows / np.median(rows) * 1000
    sd = (np.percentile(rows, 75, axis=1) - np.percentile(rows, 25, axis=1)) / 1.349
    rows, sd = rows[sd > 0], sd[sd > 0]
    x = rows - rows.mean(1, keepdims=True)
    ar = (x[:, 1:] * x[:, :-1]).sum(1) / (x ** 2).sum(1)
    expected = (np.sqrt(2 * (1 - ar)) * sd).mean()
    plain = np.sqrt((np.diff(rows, axis=1) ** 2).mean(0))
    return float((plain / expected).mean()), float(plain.mean())


def gcor(rows):
    z = (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
    m = z.mean(0)
    return float(m @ m / len(m))


def outliers(rows):
    n = rows.shape[1]
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, n), 5)
    rest = rows - (basis @ np.linalg.lstsq(basis, rows.T, rcond=None)[0]).T
    middle = np.median(rest, 1, keepdims=True)
    deviation = np.median(np.abs(rest - middle), 1, keepdims=True)
    # scipy.stats.norm.ppf(1 - 0.001 / n), by halving the integral
    from math import erf
    low, high = 0.0, 10.0
    for _ in range(100):
        mid = (low + high) / 2
        low, high = (mid, high) if 0.5 * (1 + erf(mid / np.sqrt(2))) < 1 - 0.001 / n else (low, mid)
    return float((np.abs(rest - middle) > np.sqrt(np.pi / 2) * low * deviation).mean())


def quality(rows):
    rank = lambda x: np.argsort(np.argsort(x)).astype(float)
    ref = rank(np.median(rows, 1))
    return float(np.mean([1 - np.corrcoef(rank(rows[:, t]), ref)[0, 1] for t in range(rows.shape[1])]))


def tsnr(rows):
    t = np.arange(rows.shape[1])
    fit = np.polynomial.polynomial.polyfit(t, rows.T, 1)
    rest = rows - (fit[0][:, None] + fit[1][:, None] * t)
    return float(np.median(rows.mean(1) / rest.std(1)))


image, mask = nifti(image_path), (nifti(mask_path) > 0.5).astype(np.float64)
expected = {'image': {
    'snr_chang_db': snr_chang(image), 'snr_normal_db': snr_normal(image), 'efc': efc(image),
    'snr': float(image[mask > 0].mean() / (image[mask > 0].std() * np.sqrt(mask.sum() / (mask.sum() - 1)))),
    'fber': fber(image, mask), 'gsr_x': gsr(image, mask, 0), 'gsr_y': gsr(image, mask, 1),
    **dict(zip(('fwhm_x', 'fwhm_y', 'fwhm_z'), fwhm(image, mask))), 'ghosting': ghost(image)}}

# A time series: a head, steady but for noise that differs from voxel to voxel, breathing, a drift and a jump.
rng = np.random.default_rng(7)
shape, n = (32, 28, 10), 40
x, y, z = np.meshgrid(*(np.linspace(-1, 1, s) for s in shape), indexing='ij')
head = 600 * (x ** 2 + y ** 2 + 0.6 * z ** 2 < 0.6) * (1 + 0.3 * np.sin(5 * x) * np.cos(4 * y))
t = np.arange(n)
course = 1 + 0.01 * np.sin(2 * np.pi * t / 7) + 0.0008 * t + 0.03 * (t == 25)
series = np.abs(head[..., None] * course + rng.normal(0, 12, shape + (n,)) + 15).astype(np.float32).astype(np.float64)
inside = (head > 0).astype(np.float64)
save('series.f32', series)
save('series-mask.u8', inside, np.uint8)
rows = series[inside > 0][:, 10:]
lmv, gmv = displacement(series, 10)
std, nstd = dvars(rows)
expected['series'] = {
    'shape': list(shape) + [n], 'lmv': lmv, 'gmv': gmv, 'tsnr_db': tsnr_db(series, 10), 'tsnr': tsnr(rows),
    'dvars_std': std, 'dvars_nstd': nstd, 'gcor': gcor(rows), 'aor': outliers(rows), 'aqi': quality(rows)}

# Diffusion: 3 b = 0 and 12 directions of a known tensor with noise.
directions = rng.normal(size=(12, 3))
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
b = np.r_[np.zeros(3), np.full(12, 1000.0)]
g = np.r_[np.zeros((3, 3)), directions]
tensor = np.diag([1.5e-3, 0.5e-3, 0.4e-3])
decay = np.exp(-b * np.einsum('ti,ij,tj->t', g, tensor, g))
dwi = np.hypot(head[..., None] * decay + rng.normal(0, 8, shape + (15,)), rng.normal(0, 8, shape + (15,)))
dwi = dwi.astype(np.float32).astype(np.float64)
save('dwi.f32', dwi)
voxels = dwi[inside > 0]
design = np.c_[-b[:, None] / 1000 * np.c_[g[:, 0] ** 2, 2 * g[:, 0] * g[:, 1], g[:, 1] ** 2, 2 * g[:, 0] * g[:, 2],
                                           2 * g[:, 1] * g[:, 2], g[:, 2] ** 2], np.ones(15)]
fit = np.linalg.lstsq(design, np.log(voxels).T, rcond=None)[0].T
d = fit[:, [0, 1, 3, 1, 2, 4, 3, 4, 5]].reshape(-1, 3, 3)
values = np.linalg.eigvalsh(d)
spread = ((values - values.mean(1, keepdims=True)) ** 2).sum(1)
fa = np.sqrt(1.5 * spread / (values ** 2).sum(1))
good = (values >= 0).all(1)
q = directions * np.sqrt(1000)
near = []
for i in range(12):
    distance = np.minimum(np.linalg.norm(q - q[i], axis=1), np.linalg.norm(q + q[i], axis=1))
    distance[i] = np.inf
    near.append(np.corrcoef(voxels[:, 3 + i], voxels[:, 3 + int(np.argmin(distance))])[0, 1])
zero = voxels[:, :3]
expected['dwi'] = {
    'shape': list(shape) + [15], 'bValues': b.tolist(), 'directions': g.tolist(),
    'fa_median': float(np.median(fa[good])), 'fa_degenerate_ppm': float(1e6 * (~good).mean()),
    'ndc': float(np.mean(near)), 'ndc_min': float(np.min(near)),
    'snr_b0': float(np.median(zero.mean(1) / zero.std(1, ddof=1))), 'sigma': 8.0}

# Tissues of given members, air of given noise.
white, grey, air = rng.normal(400, 20, 4000), rng.normal(300, 25, 6000), np.abs(rng.normal(0, 10, 9000))
for name, values_ in (('white', white), ('grey', grey), ('air', air)):
    save(f'{name}.f32', values_)
w, gm, a = (v.astype(np.float32).astype(np.float64) for v in (white, grey, air))
expected['tissue'] = {
    'cnr': float(abs(np.median(w) - np.median(gm)) / np.sqrt(a.std() ** 2 + w.std() ** 2 + gm.std() ** 2)),
    'cjv': float((mad(w) + mad(gm)) / abs(np.median(w) - np.median(gm)))}

points = np.linspace(0, a.max(), 50)
expected['kde'] = {
    'points': points.tolist(),
    'density': (np.exp(-0.5 * ((points[:, None] - a[None]) / 4) ** 2).sum(1) / (len(a) * 4 * np.sqrt(2 * np.pi))).tolist()}

with open(f'{folder}/expected.json', 'w') as file:
    json.dump(expected, file)
