# What highdicom reads of a Segmentation and of structured reports: as JSON, and the masks as bytes beside it.
import json
import sys
import numpy as np
import highdicom as hd



def read(prefix, seg_path, reports):
    seg = hd.seg.segread(seg_path)
    said = {'segments': [], 'reports': []}
    for number in seg.segment_numbers:
        description = seg.get_segment_description(number)
        volume = seg.get_volume(segment_numbers=[number], combine_segments=False)
        array = np.asarray(volume.array)[..., 0].astype(np.uint8)
        array.tofile(f'{prefix}-{number}.raw')
        said['segments'].append({
            'label': description.segment_label,
            'type': description.segmented_property_type.value,
            'algorithm': description.algorithm_identification.name,
            'tracking': str(description.tracking_uid),
            'shape': array.shape,
            'affine': np.asarray(volume.affine).tolist(),
        })
    for path in reports:
        content = hd.sr.srread(path).content
        groups = content.get_volumetric_roi_measurement_groups() + content.get_image_measurement_groups()
        said['reports'].append([{
            'tracking': str(group.tracking_uid),
            'segments': [
                [str(item.referenced_sop_instance_uid), item.referenced_segment_numbers]
                for item in group[0].ContentSequence
                if item.ValueType == 'IMAGE' and item.name.value == '121191'
            ],
            'measures': {m.name.value: [m.value, m.unit.value] for m in group.get_measurements()},
            'evaluations': {e.name.value: e.value.value for e in group.get_qualitative_evaluations()},
        } for group in groups])
    return said


# [[prefix of the masks' files, Segmentation, [reports]], ...]: importing takes longer than reading.
json.dump([read(*each) for each in json.loads(sys.argv[1])], sys.stdout, default=str)
