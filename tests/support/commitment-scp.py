"""An archive that takes instances, and says what it is answerable for on associations of its own: pynetdicom.

Arguments: port and AE title. It answers C-STORE, C-FIND (level IMAGE) and N-ACTION, and prints a line for each:
{"stored": instance}, {"asked": transaction, "items": [[class, instance], …], "by": AE title}, {"found": instances}.

Each line of standard input is a report to be made:
{"report": transaction, "committed": [instance, …], "failed": [[instance, reason], …], "port": …, "called": …,
 "calling": …, "role": true, "store": FILE, "event": …}
Without "role" the SCP role is not negotiated; with "store" it tries a C-STORE on the same association too. It answers
{"reported": STATUS, "role": [scu, scp], "stored": STATUS}, or {"reported": "rejected"}.
"""

import json
import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import (
    MRImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
)

port, ae_title = int(sys.argv[1]), sys.argv[2]
stored = {}
saying = threading.Lock()


def say(**line):
    with saying:
        print(json.dumps(line), flush=True)


def on_store(event):
    request = event.request
    stored[str(request.AffectedSOPInstanceUID)] = str(request.AffectedSOPClassUID)
    say(stored=str(request.AffectedSOPInstanceUID))
    return 0x0000


def on_action(event):
    info = event.action_information
    items = [
        [str(i.ReferencedSOPClassUID), str(i.ReferencedSOPInstanceUID)] for i in info.ReferencedSOPSequence
    ]
    say(asked=str(info.TransactionUID), items=items, by=event.assoc.requestor.ae_title.strip())
    return 0x0000, None


def on_find(event):
    say(found=len(stored))
    for instance in stored:
        match = Dataset()
        match.QueryRetrieveLevel = "IMAGE"
        match.SOPInstanceUID = instance
        yield 0xFF00, match


def references(instances):
    items = []
    for instance, reason in instances:
        item = Dataset()
        item.ReferencedSOPClassUID = stored.get(instance, MRImageStorage)
        item.ReferencedSOPInstanceUID = instance
        if reason is not None:
            item.FailureReason = reason
        items.append(item)
    return items


def report(what):
    ae = AE(ae_title=what.get("calling", ae_title))
    ae.add_requested_context(StorageCommitmentPushModel)
    if "store" in what:
        ae.add_requested_context(MRImageStorage)
    roles = [build_role(StorageCommitmentPushModel, scu_role=False, scp_role=True)] if what.get("role", True) else []
    assoc = ae.associate("127.0.0.1", what["port"], ae_title=what.get("called", "HUB"), ext_neg=roles)
    if not assoc.is_established:
        say(reported="rejected")
        return
    context = next((c for c in assoc.accepted_contexts if c.abstract_syntax == StorageCommitmentPushModel), None)
    answer = {"role": None if context is None else [context.as_scu, context.as_scp]}
    if "store" in what:
        answer["stores"] = any(c.abstract_syntax == MRImageStorage for c in assoc.accepted_contexts)
    if context is not None:
        # Some archives negotiate no role and report all the same; pynetdicom itself would not.
        context._as_scp = True
        info = Dataset()
        info.TransactionUID = what["report"]
        failed = references(what.get("failed", []))
        if failed:
            info.FailedSOPSequence = failed
        committed = references([(instance, None) for instance in what.get("committed", [])])
        if committed:
            info.ReferencedSOPSequence = committed
        event = what.get("event", 2 if failed else 1)
        status, _ = assoc.send_n_event_report(
            info, event, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        answer["reported"] = status.Status if "Status" in status else "no answer"
    else:
        answer["reported"] = "no context"
    assoc.release()
    say(**answer)


ae = AE(ae_title=ae_title)
ae.supported_contexts = AllStoragePresentationContexts
ae.add_supported_context(StorageCommitmentPushModel)
ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
handlers = [(evt.EVT_C_STORE, on_store), (evt.EVT_N_ACTION, on_action), (evt.EVT_C_FIND, on_find)]
ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
for line in sys.stdin:
    if line.strip():
        report(json.loads(line))
