"""A partner's client in Python, of its standard library alone: subscribes with a webhook, verifies signatures, reads the
feed page by page, goes on where it stood, and fetches released studies by WADO-RS.

    python3 partner-client.py HUB_URL TOKEN STATE_FILE

Prints a line of JSON for each thing it did. Ed25519 signatures (v1a) need a package of your choice; v1 needs none.
"""

import base64
import hashlib
import hmac
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

PAGE = 2
# Standard Webhooks: older ones may be replayed by somebody who listened.
TOLERANCE_SECONDS = 300


class PartnerClient:
    def __init__(self, url, token):
        self._url = url + "/partner/v1"
        self._token = token

    def account(self):
        return self._json("GET", "/account")

    def events(self, after=None):
        """One page; `after` is the cursor of the page before, None: from the beginning."""
        place = "" if after is None else "&after=" + urllib.parse.quote(after)
        return self._json("GET", f"/events?limit={PAGE}{place}")

    def subscribe(self, url):
        return self._json("POST", "/webhooks", {"url": url})

    def test(self, webhook_id):
        return self._json("POST", f"/webhooks/{webhook_id}/test")

    def unsubscribe(self, webhook_id):
        return self._json("DELETE", f"/webhooks/{webhook_id}")

    def retrieve(self, study):
        """Part 10 files of a released study, one at a time."""
        for instance in self._json("GET", f"/studies/{study}/metadata"):
            # Series Instance UID (0020,000E), SOP Instance UID (0008,0018)
            series = instance["0020000E"]["Value"][0]
            sop = instance["00080018"]["Value"][0]
            path = f"/studies/{study}/series/{series}/instances/{sop}"
            yield self._ask("GET", path, {"Accept": "application/dicom; transfer-syntax=*"})

    def _json(self, method, path, body=None):
        return json.loads(self._ask(method, path, {"Content-Type": "application/json"}, body))

    def _ask(self, method, path, headers, body=None):
        while True:
            request = urllib.request.Request(
                self._url + path,
                method=method,
                headers={**headers, "Authorization": "Bearer " + self._token},
                data=None if body is None else json.dumps(body).encode(),
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return response.read()
            except urllib.error.HTTPError as error:
                # Too many at once: the hub says when to come back.
                if error.code != 429:
                    raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error
                time.sleep(float(error.headers.get("Retry-After", "1")))


def is_genuine(secrets, headers, body, now=None):
    """Whether a webhook's message is the hub's and fresh. One good signature is enough: while keys are changed there are more."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    content = f"{message_id}.{timestamp}.".encode() + body
    for each in headers["webhook-signature"].split(" "):
        version, _, encoded = each.partition(",")
        if version != "v1":
            continue
        for secret in secrets:
            key = base64.b64decode(secret.removeprefix("whsec_"))
            expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
            if hmac.compare_digest(expected, encoded):
                return True
    return False


def one_genuine_message(client):
    """Waits for one message that is genuine for a new webhook."""
    created = {}
    ready = threading.Event()
    answers = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            ready.wait(30)
            by_secret = is_genuine([created["secret"]], self.headers, body)
            # Taken before it is worked on; what is not believed is refused.
            self.send_response(204 if by_secret else 401)
            self.end_headers()
            forged = is_genuine([created["secret"]], self.headers, body + b" ")
            answers.append({"webhook": json.loads(body)["type"], "bySecret": by_secret, "forged": forged})

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    try:
        created.update(client.subscribe(f"http://127.0.0.1:{server.server_port}/hook"))
        ready.set()
        client.test(created["webhookId"])
        while not answers:
            server.handle_request()
        return answers[0]
    finally:
        server.server_close()
        if created:
            client.unsubscribe(created["webhookId"])


def main(url, token, state_file):
    client = PartnerClient(url, token)
    state = Path(state_file)

    def show(line):
        print(json.dumps(line), flush=True)

    show({"partner": client.account()["partner"]})
    show(one_genuine_message(client))
    cursor = state.read_text() if state.exists() else None
    while True:
        page = client.events(cursor)
        for event in page["events"]:
            show({"event": event["type"], "study": event.get("subject")})
            if event["type"] != "hub.study.processed.v1":
                continue
            files = size = 0
            for file in client.retrieve(event["subject"]):
                # PS3.10 Section 7.1: a preamble of 128 bytes, and then DICM.
                if file[128:132] != b"DICM":
                    raise ValueError("not a Part 10 file")
                files += 1
                size += len(file)
            show({"retrieved": event["subject"], "files": files, "bytes": size})
        # Only now: what is not worked off is read again after a crash, and seen by its id.
        cursor = page["cursor"]
        state.write_text(cursor)
        if not page["hasMore"]:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
