"""The network: a small 3D U-Net that works at half resolution and answers at full resolution.

The stem is a 2x2x2 convolution with stride 2 (nothing is thrown away, unlike pooling), the head its transpose:
seven eighths of the voxels never meet a 3x3x3 kernel, which is what makes training on a CPU possible.
"""

import torch
from torch import nn

WIDTHS = (16, 32, 64, 96)


class BrainNet(nn.Module):
    """[n, 1, x, y, z] scaled intensities to [n, 2, x, y, z] logits: background, brain. Sizes divisible by 16."""

    def __init__(self, widths=WIDTHS):
        super().__init__()
        self.stem = nn.Conv3d(1, widths[0], 2, stride=2)
        self.encoders = nn.ModuleList([_block(widths[0], widths[0], 1)])
        for shallow, deep in zip(widths, widths[1:]):
            self.encoders.append(_block(shallow, deep, 2))
        self.lifts = nn.ModuleList(nn.Conv3d(deep, shallow, 1) for shallow, deep in zip(widths, widths[1:]))
        self.decoders = nn.ModuleList(_block(width, width, 1) for width in widths[:-1])
        self.up = nn.Upsample(scale_factor=2, mode='nearest')
        self.head = nn.ConvTranspose3d(widths[0], 2, 2, stride=2)

    def forward(self, image):
        x = self.stem(image)
        skips = []
        for encoder in self.encoders:
            x = encoder(x)
            skips.append(x)
        for level in reversed(range(len(self.decoders))):
            x = self.decoders[level](self.up(self.lifts[level](x)) + skips[level])
        return self.head(x)


def _layer(inputs, outputs, stride):
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.InstanceNorm3d(outputs, affine=True),
        nn.LeakyReLU(0.1),
    )


def _block(inputs, outputs, stride):
    return nn.Sequential(_layer(inputs, outputs, stride), _layer(outputs, outputs, 1))


def export(network, path):
    """Writes the ONNX file with the names and the fixed shape the hub expects."""
    network.eval()
    torch.onnx.export(
        network,
        (torch.zeros(1, 1, 64, 96, 64),),
        path,
        input_names=['image'],
        output_names=['brain'],
        opset_version=17,
        dynamo=False,
    )
