"""How the tissues of one head look: a recipe of intensities per kind of contrast, brain = 1."""


def contrast(kind, rng):
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
