"""Reads DICOM files with pydicom and prints what stands where, one JSON line a file.

    python3 dump.py FILE...

A line: {"file", "deflated", "elements": [[path, VR, creator, value, text], ...]}. `path` is `GGGGEEEE` with
`/index/` between levels, `creator` the Private Creator of the block in that very data set, `value` the bytes in
hexadecimal (of long ones a digest), `text` what pydicom decodes them to; sequences have the number of items as value.
"""

import hashlib
import json
import os
import sys
import warnings

from pydicom import config, dcmread
from pydicom.datadict import add_dict_entries, dictionary_has_tag
from pydicom.dataelem import RawDataElement

warnings.simplefilter("ignore")
config.settings.reading_validation_mode = config.IGNORE
TEXT = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}


def main():
    learn_younger_attributes()
    for path in sys.argv[1:]:
        data_set = dcmread(path, force=True)
        elements = []
        walk(data_set.file_meta, "", elements)
        walk(data_set, "", elements)
        print(json.dumps({"file": path, "elements": elements}))


def learn_younger_attributes():
    """What PS3.6 got after this pydicom: in implicit VR it would be read as one lump of bytes."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../../core/dicom/dictionary.json"), encoding="utf-8") as file:
        rows = [row.split(" ") for row in json.load(file)["rows"]]
    younger = {}
    for tag, vrs, vm, keyword in rows:
        number = int(tag, 16)
        if not dictionary_has_tag(number) and "|" not in vrs:
            younger[number] = (vrs, vm, keyword, "", keyword)
    add_dict_entries(younger)


def walk(data_set, path, elements):
    # All of them before any is decoded: decoding one can decode another, which has no bytes any more then.
    stored = {tag: data_set.get_item(tag) for tag in sorted(data_set.keys())}
    for tag, raw in stored.items():
        value = raw.value if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes) else None
        here = "%s%08X" % (path, tag)
        creator = creator_of(data_set, tag)
        try:
            element = data_set[tag]
        except Exception:
            elements.append([here, "??", creator, hexed(value or b""), (value or b"").decode("latin-1")])
            continue
        if element.VR == "SQ":
            elements.append([here, "SQ", creator, str(len(element.value or [])), None])
            for index, item in enumerate(element.value or []):
                walk(item, "%s/%d/" % (here, index), elements)
            continue
        if value is None:
            value = element.value if isinstance(element.value, bytes) else str(element.value or "").encode()
        elements.append([here, element.VR, creator, hexed(value), text_of(element, value)])


def creator_of(data_set, tag):
    if not tag.is_private or tag.elem < 0x1000:
        return None
    reserved = data_set.get((tag.group, tag.elem >> 8))
    return None if reserved is None else str(reserved.value)


def text_of(element, value):
    if element.VR not in TEXT:
        return value.decode("latin-1") if len(value) < 4096 else None
    many = element.value if isinstance(element.value, (list, tuple)) or element.VM > 1 else [element.value]
    return "\\".join("" if one is None else str(one) for one in many)


def hexed(value):
    return value.hex() if len(value) <= 256 else "sha256:" + hashlib.sha256(value).hexdigest()


main()
