"""Puts an ONNX file, its manifest and its card into the model's folder; measured numbers go in as they came out."""

import argparse
import hashlib
import json
import os
import shutil

import onnx

from card import card
from evaluate import FILL, THRESHOLD

VERSION = '0.3.0'
# Where heads and deliberate failures part (docs/adr/0028): the mean of eight answers is less sure of itself than one.
RELIABILITY = {'min_probability': 0.92, 'max_entropy': 0.385, 'min_agreement': 0.94, 'max_at_edge': 0.7}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', required=True)
    parser.add_argument('--evaluation', required=True, help='what evaluate.py printed, one JSON object a line')
    parser.add_argument('--report', required=True, help='report.json of hub evaluate on the heads of heads.py')
    parser.add_argument('--released', required=True, help='a date, for the card')
    parser.add_argument('--folder', required=True, help='the folder that ships')
    options = parser.parse_args()
    check(options.model)
    target = os.path.join(options.folder, 'model.onnx')
    shutil.copyfile(options.model, target)
    with open(target, 'rb') as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    with open(options.evaluation) as file:
        measured = [json.loads(line) for line in file if line.strip()]
    with open(options.report) as file:
        report = json.load(file)
    assert report['model']['modelSha256'] == digest, 'the report is of another model'
    write(os.path.join(options.folder, 'model.json'), manifest(digest))
    write(os.path.join(options.folder, 'card.json'), card(VERSION, options.released, report, measured))


def write(path, value):
    with open(path, 'w') as file:
        json.dump(value, file, indent=2)
        file.write('\n')


def check(path):
    """The hub refuses what this refuses: custom operators, loops, external data, a large file."""
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert os.path.getsize(path) <= 4 * 1024 * 1024
    assert [(o.domain, 16 <= o.version <= 18) for o in model.opset_import] == [('', True)]
    assert not any(node.domain or node.op_type in ('Loop', 'If', 'Scan') for node in model.graph.node)
    assert not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer)
    shapes = [
        [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (model.graph.input[0], model.graph.output[0])
    ]
    assert (model.graph.input[0].name, model.graph.output[0].name) == ('image', 'brain')
    assert shapes == [[1, 1, 64, 96, 64], [1, 2, 64, 96, 64]], shapes


def manifest(digest):
    tensor = {'format': 'magnitude', 'spatial_shape': [64, 96, 64], 'dtype': 'float32', 'is_patch_data': False}
    return {
        'schema': 'hub.model/1',
        'name': 'rodent-brain',
        'version': VERSION,
        'onnx': {'file': 'model.onnx', 'sha256': digest, 'opset_max': 18},
        'task': 'segmentation',
        'intended_use': 'research only',
        'copyright': 'The imaging hub authors',
        'license': 'Apache-2.0',
        'species': ['mouse', 'rat'],
        'modality': 'MR',
        'contrasts': ['T2w', 'T1w', 'EPI'],
        'training_data': 'synthetic heads around procedural brains, GPL-3.0 label maps and stripped scans; see card.json',
        'card': 'card.json',
        'network_data_format': {
            'inputs': {
                'image': {
                    'type': 'image',
                    'modality': 'MR',
                    'num_channels': 1,
                    'value_range': [0, 1.5],
                    'channel_def': {'0': 'magnitude'},
                    **tensor,
                }
            },
            'outputs': {
                'brain': {
                    'type': 'image',
                    'num_channels': 2,
                    'channel_def': {'0': 'background', '1': 'brain'},
                    **tensor,
                    'format': 'logits',
                }
            },
        },
        'geometry': {
            'layout': 'NCXYZ',
            'axes': 'RAS',
            'spacing_mm': [0.25, 0.25, 0.25],
            'species_spacing_mm': {'mouse': [0.25, 0.25, 0.25], 'rat': [0.4, 0.4, 0.4]},
            'spacing_policy': 'resample',
            'size_policy': 'pad-crop-center',
            'window': {'mode': 'whole', 'passes': 2, 'fill': FILL},
            'interpolation': 'linear',
        },
        'intensity': [{'op': 'percentile', 'hi': 99, 'above': 0.01, 'clip': 1.5}],
        'output': {
            'activation': 'softmax',
            'decode': 'threshold',
            'threshold': THRESHOLD,
            'flips': ['x', 'y', 'z'],
            'postprocess': ['largest_component', 'fill_holes'],
        },
        'labels': [
            {
                'index': 1,
                'name': 'Brain',
                'category': {'scheme': 'SCT', 'code': '123037004', 'meaning': 'Anatomical Structure'},
                'type': {'scheme': 'SCT', 'code': '12738006', 'meaning': 'Brain'},
                'rgb': [230, 140, 60],
            }
        ],
        'limits': {'max_seconds': 60, 'max_rss_mb': 1024},
        'reliability': RELIABILITY,
    }


if __name__ == '__main__':
    main()
