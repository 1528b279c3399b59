"""Weights between two training runs, the second continued from the first: surer on what neither has seen than its end."""

import argparse

import torch

from network import BrainNet, export


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('first')
    parser.add_argument('second')
    parser.add_argument('--share', type=float, default=0.6, help='of the second')
    parser.add_argument('--out', required=True, help='model.onnx')
    options = parser.parse_args()
    first, second = torch.load(options.first), torch.load(options.second)
    network = BrainNet()
    network.load_state_dict({name: first[name].lerp(second[name], options.share) for name in first})
    export(network, options.out)


if __name__ == '__main__':
    main()
