"""A C-STORE provider of pynetdicom: takes the given pairs of SOP class and transfer syntax, and says what it got."""

import json
import sys

from pynetdicom import AE, evt

port, ae_title, pairs = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])


def say(**line):
    print(json.dumps(line), flush=True)


def on_store(event):
    data_set = event.dataset
    say(
        event="stored",
        instance=str(event.request.AffectedSOPInstanceUID),
        syntax=str(event.context.transfer_syntax),
        pixels=len(getattr(data_set, "PixelData", b"")),
    )
    return 0x0000


ae = AE(ae_title=ae_title)
ae.add_supported_context("1.2.840.10008.1.1")
for sop_class, syntaxes in pairs.items():
    ae.add_supported_context(sop_class, syntaxes)
handlers = [
    (evt.EVT_C_STORE, on_store),
    (evt.EVT_ACCEPTED, lambda event: say(event="association")),
    (evt.EVT_RELEASED, lambda event: say(event="released")),
    (evt.EVT_ABORTED, lambda event: say(event="aborted")),
]
ae.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers)
