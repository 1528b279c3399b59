"""Python's dicomweb-client against an origin server: stores files, searches, retrieves; prints what it saw as JSON."""

import json
import sys

import pydicom
from dicomweb_client.api import DICOMwebClient

url, token, *paths = sys.argv[1:]
client = DICOMwebClient(url, headers={"Authorization": f"Bearer {token}"})
datasets = [pydicom.dcmread(path) for path in paths]
study = str(datasets[0].StudyInstanceUID)
answer = client.store_instances(datasets, study_instance_uid=study)


def first(found, keyword):
    return [str(pydicom.Dataset.from_json(one).get(keyword)) for one in found]


studies = client.search_for_studies(
    search_filters={"PatientName": str(datasets[0].PatientName).upper(), "StudyInstanceUID": study},
    fields=["StudyDescription"],
)
series = client.search_for_series(study)
instances = client.search_for_instances(study, search_filters={"Modality": "MR"}, get_remaining=True, limit=2)
nothing = client.search_for_studies(search_filters={"StudyInstanceUID": "1.2.3.4"})
retrieved = client.retrieve_study(study)
metadata = client.retrieve_study_metadata(study)
pixels = sorted(bytes(one.PixelData) for one in retrieved)
print(
    json.dumps(
        {
            "referenced": sorted(str(item.ReferencedSOPInstanceUID) for item in answer.ReferencedSOPSequence),
            "studies": first(studies, "StudyInstanceUID"),
            "descriptions": first(studies, "StudyDescription"),
            "counts": first(studies, "NumberOfStudyRelatedInstances"),
            "series": sorted(first(series, "SeriesInstanceUID")),
            "instances": sorted(first(instances, "SOPInstanceUID")),
            "nothing": len(nothing),
            "retrieved": sorted(str(one.SOPInstanceUID) for one in retrieved),
            "metadata": sorted(first(metadata, "SOPInstanceUID")),
            "samePixels": pixels == sorted(bytes(one.PixelData) for one in datasets),
        }
    )
)
