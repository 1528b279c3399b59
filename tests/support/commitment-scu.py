"""A modality that asks for storage commitment, made of pynetdicom.

The first line of standard input says what to do:
{"port": …, "called": …, "calling": …, "wait": "same", "listen": PORT, "answer": STATUS, "items": [[class, instance], …],
 "transaction": UID, "tls": {"certificate": FILE, "key": FILE, "ca": FILE}}

With "items" it sends one N-ACTION and prints {"action": STATUS}. Then, with "wait": "same", it keeps the association open
until the result has come, and {"released": true} is printed when it is gone; with "listen" it takes results on associations of the hub's. Each result is one line:
{"event": TYPE, "transaction": UID, "committed": [instance, …], "failed": [[instance, reason], …], "by": AE title}.
It ends after so many results as "take" says, 1 by default, or when its standard input is closed.
"""
import json
import ssl
import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance, Verification

given = json.loads(sys.stdin.readline())
done = threading.Event()
taken = 0

saying = threading.Lock()


def say(what):
    # Results come in threads of their own: two lines must not run into one another.
    with saying:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def secure(side):
    """The ssl context of a client (SERVER_AUTH) or a server (CLIENT_AUTH), or none."""
    files = given.get("tls")
    if files is None:
        return None
    context = ssl.create_default_context(side, cafile=files["ca"])
    context.load_cert_chain(files["certificate"], files["key"])
    if side is ssl.Purpose.CLIENT_AUTH:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def on_event(event):
    info = event.event_information
    say(
        {
            "event": event.event_type,
            "transaction": str(info.TransactionUID),
            "committed": [str(i.ReferencedSOPInstanceUID) for i in info.get("ReferencedSOPSequence", [])],
            "failed": [
                [str(i.ReferencedSOPInstanceUID), int(i.FailureReason)] for i in info.get("FailedSOPSequence", [])
            ],
            "by": event.assoc.requestor.ae_title.strip(),
        }
    )
    global taken
    status = given.get("answer", 0)
    if status == 0:
        taken += 1
    if taken >= given.get("take", 1):
        done.set()
    return status, None


handlers = [(evt.EVT_N_EVENT_REPORT, on_event)]
if "listen" in given:
    taker = AE(ae_title=given["calling"])
    # The one who calls is SCP of the service, as it is not by default (PS3.7 D.3.3.4).
    taker.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    taker.add_supported_context(Verification)
    taker.start_server(
        ("127.0.0.1", given["listen"]), block=False, evt_handlers=handlers, ssl_context=secure(ssl.Purpose.CLIENT_AUTH)
    )
    say({"listening": given["listen"]})

if "items" in given:
    ae = AE(ae_title=given["calling"])
    ae.maximum_pdu_size = given.get("pdu", 16382)
    ae.add_requested_context(StorageCommitmentPushModel, given.get("syntaxes") or None)
    client = secure(ssl.Purpose.SERVER_AUTH)
    assoc = ae.associate(
        "127.0.0.1",
        given["port"],
        ae_title=given["called"],
        evt_handlers=handlers,
        tls_args=None if client is None else (client, "localhost"),
    )
    if not assoc.is_established:
        say({"action": "no association"})
        sys.exit(1)
    request = Dataset()
    request.TransactionUID = given["transaction"]
    request.ReferencedSOPSequence = []
    for sop_class, instance in given["items"]:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = instance
        request.ReferencedSOPSequence.append(item)
    status, _ = assoc.send_n_action(request, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
    say({"action": status.Status if "Status" in status else "no answer"})
    if given.get("wait") == "same":
        done.wait(20)
    assoc.release()
    say({"released": True})

if "listen" in given:
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    done.wait()
