"""Trains the network on synthetic heads: procedural ones, and with --brains ones around the brains of that folder.

One process trains; `--workers` processes generate. Every head is seen a few times, each time flipped and
re-toned, and the buffer of heads is replaced steadily: head k enters at a step that depends on nothing but k,
so a run is repeatable up to the rounding of threads.
"""

import argparse
import collections
import functools
import json
import math
import multiprocessing
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from generator import generate
from network import BrainNet, export
from scanner import CLIP

HELD_OUT = 10_000_000  # seeds from here on belong to evaluate.py


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', required=True, help='folder for snapshots, model.onnx and log.jsonl')
    parser.add_argument('--brains', help='folder of label maps, stripped scans and masks; heads with a skull are not read')
    parser.add_argument('--steps', type=int, default=16000)
    parser.add_argument('--minutes', type=float, help='end after this time instead of after --steps; the rate falls with it')
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument('--rate', type=float, default=2e-3)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument(
        '--first-head', type=int, default=0, help='number of the first head: a continued run goes on with new ones'
    )
    parser.add_argument('--steps-per-head', type=int, default=3, help='a new head joins the buffer every so many steps')
    parser.add_argument('--fill', type=int, default=48, help='heads in the buffer before the first step')
    parser.add_argument('--buffer', type=int, default=2500)
    parser.add_argument('--workers', type=int, default=1)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--snapshot', type=int, default=1000)
    parser.add_argument('--weights', help='state to start from')
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    train(options)


def train(options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    network = BrainNet()
    if options.weights:
        network.load_state_dict(torch.load(options.weights))
    average = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=1e-4)
    heads = _heads(options)
    buffer = collections.deque((next(heads) for _ in range(options.fill)), maxlen=options.buffer)
    started, losses = time.time(), []

    done, step = 0.0, 0
    while done < 1:
        step += 1
        elapsed = (time.time() - started) / 60
        done = elapsed / options.minutes if options.minutes else step / options.steps
        if step % options.steps_per_head == 0:
            buffer.append(next(heads))
        for group in optimizer.param_groups:
            group['lr'] = options.rate * _schedule(step, min(1.0, done))
        image, mask = _batch(buffer, options.batch, rng)
        with torch.autocast('cpu', torch.bfloat16):
            logits = network(image)
        loss = _loss(logits.float(), mask)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        keep = min(0.998, 1 - 1 / (step + 1))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        losses.append(float(loss))
        if step % 100 == 0:
            line = {
                'step': step,
                'loss': round(float(np.mean(losses)), 4),
                'heads': len(buffer),
                'seconds': round(time.time() - started),
            }
            losses = []
            with open(os.path.join(options.out, 'log.jsonl'), 'a') as log:
                log.write(json.dumps(line) + '\n')
        if step % options.snapshot == 0 or done >= 1:
            torch.save(average, os.path.join(options.out, f'average-{step}.pt'))
            frozen = BrainNet()
            frozen.load_state_dict(average)
            export(frozen, os.path.join(options.out, 'model.onnx'))


def _schedule(step, done):
    """Short warm-up, constant, then down to 2 % over the last 60 %."""
    decay = 0.5 * (1 + math.cos(math.pi * max(0.0, (done - 0.4) / 0.6)))
    return min(1.0, step / 100) * (0.02 + 0.98 * decay)


def _heads(options):
    """Head 0, 1, 2, ... in order, generated ahead of use."""
    head = functools.partial(generate, brains=options.brains)
    with multiprocessing.get_context('spawn').Pool(options.workers, _quiet) as pool:
        pending, number = collections.deque(), options.first_head
        while True:
            while len(pending) < 16 + 2 * options.workers:
                assert number < HELD_OUT
                pending.append(pool.apply_async(head, ((options.seed, number),)))
                number += 1
            yield pending.popleft().get()


def _quiet():
    torch.set_num_threads(1)


def _batch(buffer, size, rng):
    """Heads from the buffer as float tensors, each flipped, sometimes with R-L and S-I exchanged, and re-toned."""
    images, masks = [], []
    for _ in range(size):
        image, mask = (torch.from_numpy(a) for a in buffer[int(rng.integers(len(buffer)))])
        axes = [axis for axis in range(3) if rng.random() < 0.5]
        image, mask = image.flip(axes), mask.flip(axes)
        if rng.random() < 0.15:
            image, mask = image.transpose(0, 2), mask.transpose(0, 2)
        image = image.float() * (CLIP / 255)
        if rng.random() < 0.5:
            image = image ** float(rng.uniform(0.8, 1.25))
        if rng.random() < 0.3:
            shade = torch.from_numpy(rng.normal(0, 0.2, (1, 1, 3, 4, 3)).astype(np.float32))
            image = image * F.interpolate(shade, image.shape, mode='trilinear', align_corners=True)[0, 0].exp()
        images.append((image * float(rng.uniform(0.9, 1.1))).clamp(0, CLIP))
        masks.append(mask.float() / 255)
    return torch.stack(images)[:, None].contiguous(), torch.stack(masks).contiguous()


def _loss(logits, mask):
    """Soft Dice of the brain plus cross-entropy."""
    margin = logits[:, 1] - logits[:, 0]
    brain = margin.sigmoid()
    axes = (1, 2, 3)
    dice = (2 * (brain * mask).sum(axes) + 1) / (brain.sum(axes) + mask.sum(axes) + 1)
    return (1 - dice).mean() + F.binary_cross_entropy_with_logits(margin, mask)


if __name__ == '__main__':
    main()
