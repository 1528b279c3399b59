"""Puts an ONNX file and its manifest into the model's folder; the measured numbers go in as they came out."""

import argparse
import hashlib
import json
import os
import shutil

import onnx

REAL = 'real heads, two passes; the references follow three different conventions of what belongs to the brain'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', required=True)
    parser.add_argument('--evaluation', required=True, help='what evaluate.py printed, one JSON object a line')
    parser.add_argument('--folder', required=True, help='the folder that ships')
    options = parser.parse_args()
    check(options.model)
    target = os.path.join(options.folder, 'model.onnx')
    shutil.copyfile(options.model, target)
    with open(target, 'rb') as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    with open(options.evaluation) as file:
        measured = [json.loads(line) for line in file if line.strip()]
    with open(os.path.join(options.folder, 'model.json'), 'w') as file:
        json.dump(manifest(digest, measured), file, indent=2)
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


def manifest(digest, measured):
    tensor = {'format': 'magnitude', 'spatial_shape': [64, 96, 64], 'dtype': 'float32', 'is_patch_data': False}
    return {
        'schema': 'hub.model/1',
        'name': 'rodent-brain',
        'version': '0.1.0',
        'onnx': {'file': 'model.onnx', 'sha256': digest, 'opset_max': 18},
        'task': 'segmentation',
        'intended_use': 'research only',
        'copyright': 'The imaging hub authors',
        'license': 'Apache-2.0',
        'species': ['mouse', 'rat'],
        'modality': 'MR',
        'contrasts': ['T2w', 'T1w', 'EPI'],
        'training_data': 'procedurally generated heads only; no scan, atlas or label map',
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
            'window': {'mode': 'whole', 'passes': 2},
            'interpolation': 'linear',
        },
        'intensity': [{'op': 'percentile', 'hi': 99, 'above': 0.01, 'clip': 1.5}],
        'output': {
            'activation': 'softmax',
            'decode': 'threshold',
            'threshold': 0.5,
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
        'evaluation': {'what': REAL, 'measured': measured},
    }


if __name__ == '__main__':
    main()
