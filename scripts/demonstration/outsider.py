"""Check a served log as an outsider: with its URL, two public keys and one bundle, and no more.

    python outsider.py URL LOG_VKEY SIGNER_KEY_HEX BUNDLE

HTTP is urllib's and every check is translog.verify's. Nothing that the log says about itself is
believed, and no other program's words are read. Prints a line for each thing found true; the
first that is not ends it with exit code 1.
"""

import copy
import json
import secrets
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from translog.errors import MissingError, TooLargeError, TranslogError, UnavailableError
from translog.formats.keys import SEED_BYTES, SigningKey
from translog.formats.note import Verifier
from translog.formats.policy import believing
from translog.pith.event import sign
from translog.pith.key import fingerprint_hex
from translog.verify.auditor import audit
from translog.verify.documents import check_document
from translog.verify.findings import Trust

SECONDS = 30
MAX_BYTES = 32 << 20


class CheckError(Exception):
    """The log is not what it must be."""


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Outsider:
    """Whoever asks. Each `see_…` checks one thing and returns a sentence about it."""

    def __init__(self, url: str, log_vkey: str, signer_key: bytes, bundle: bytes) -> None:
        self._url = url
        self._verifier = Verifier.parse(log_vkey)
        self._bundle: dict[str, Any] = json.loads(bundle)
        self._events: list[dict[str, Any]] = self._bundle["events"]
        names = {signer_key: "the signer", self._verifier.public_key: "the log"}
        self._trust = Trust(keys=names, policy=believing(self._verifier))
        self._trust_in_log = Trust(keys={self._verifier.public_key: "the log"})

    def see_all(self) -> None:
        """Check everything, in an order in which a failure says most."""
        for see in (
            self.see_health,
            self.see_whole_log,
            self.see_proofs,
            self.see_record,
            self.see_adding_again,
            self.see_refusals,
            self.see_wrong_paths,
        ):
            print(see(), flush=True)

    def see_health(self) -> str:
        for path in ("healthz", "readyz"):
            self._get(path)
        return "it is up and takes events"

    def see_whole_log(self) -> str:
        """Audit everything that is published."""
        state = audit(self._fetch, believing(self._verifier))
        _want(state.size >= len(self._events), f"log has {state.size} entries, and took more")
        return f"all {state.size} entries make the root that the log has signed"

    def see_proofs(self) -> str:
        """Check each event of the bundle with its proof."""
        for event in self._events:
            name = event["event_id"]
            proof = self._get(f"proof/{name}.tlog-proof").body
            wanted = {"event-signature", "checkpoint", "inclusion"}
            self._require(_json(event), wanted, self._trust, proof)
            content = self._get(f"event/{name.removeprefix('sha256:')}").body
            _want(f"sha256:{sha256(content).hexdigest()}" == name, f"{name} is another content")
        return f"the {len(self._events)} events of the bundle are among them, with their own ids"

    def see_record(self) -> str:
        """Check the bundle that the log makes of the same record."""
        suffix = self._bundle["pith_number"].rpartition(":")[2]
        raw = self._get(f"pith/{suffix}/bundle.json").body
        self._require(raw, {"bundle-record", "bundle-number", "bundle-state"}, self._trust)
        self._require(raw, {"bundle-bundle"}, self._trust_in_log)
        served = json.loads(raw)
        for name in ("pith_number", "canonical_record", "canonical_sha256"):
            _want(served[name] == self._bundle[name], f"served bundle has another {name}")
        ids = {event["event_id"] for event in self._events}
        _want(ids <= {event["event_id"] for event in served["events"]}, "events were left out")
        state = self._get(f"pith/{suffix}/state.json").body
        _want(json.loads(state) == served["state"], "state.json is not the state in bundle.json")
        return "the record's bundle is signed by the log, and its state follows from its events"

    def see_adding_again(self) -> str:
        before = self._get("checkpoint").body
        for event in self._events:
            reply = self._post(_json(event))
            _want(reply.status == 200, f"adding again answers {reply.status}")
            answer = json.loads(reply.body)
            _want(answer["duplicate"] is True, "an event was logged twice")
            _want(answer["event_id"] == event["event_id"], "an event has another id than before")
            found = json.loads(self._get(f"proof/inclusion?index={answer['index']}").body)
            _want(found["event_id"] == event["event_id"], "an event has another place than it has")
        _want(self._get("checkpoint").body == before, "adding again changed the signed head")
        return "adding them again changes nothing"

    def see_refusals(self) -> str:
        """Send what must not be logged: events with one thing wrong, and a stranger's."""
        before = self._get("checkpoint").body
        changed = copy.deepcopy(self._events[0])
        changed["created_at"] = "2020-01-01T00:00:00Z"
        self._require_refused(_json(changed), 400, "wrong-hash")
        exchanged = copy.deepcopy(self._events[0])
        exchanged["signature"]["signature_b64"] = self._events[1]["signature"]["signature_b64"]
        self._require_refused(_json(exchanged), 400, "wrong-signature")
        self._require_refused(_json(self._by_stranger()), 403, "unknown-key")
        self._require_refused(b'{"event_type": NaN}', 400, "malformed")
        _want(self._get("checkpoint").body == before, "a refused event changed the signed head")
        return "a changed event, one with another's signature and a stranger's are all refused"

    def _by_stranger(self) -> dict[str, Any]:
        """Return an event that is right in all but who signed it."""
        key = SigningKey(secrets.token_bytes(SEED_BYTES))
        apart = ("signature", "content_sha256", "event_id")
        draft = {name: value for name, value in self._events[0].items() if name not in apart}
        draft["signer"] = {
            **draft["signer"],
            "public_key_fingerprint": fingerprint_hex(key.public_key),
        }
        return sign(draft, key, self._events[0]["signature"]["signed_at"])

    def see_wrong_paths(self) -> str:
        for path in ("tile/0/00", "tile/0/../0/000", "tile/0/000.p/256", "tile/64/000", "nowhere"):
            reply = self._ask(Request(f"{self._url}/{path}"))
            _want(reply.status in (400, 404), f"/{path} answers {reply.status}")
            _want("immutable" not in reply.headers.get("cache-control", ""), f"/{path} is cached")
        return "what is not there is not served, and no cache keeps the refusal"

    def _require(
        self, raw: bytes, wanted: set[str], trust: Trust, proof: bytes | None = None
    ) -> None:
        """Refuse a document of which something is false, or something wanted is not shown."""
        findings = check_document(raw, trust, proof=proof)
        for finding in findings:
            _want(finding.status != "failed", f"{finding.name}: {finding.sentence}")
        missing = wanted - {finding.name for finding in findings if finding.status == "proved"}
        _want(not missing, f"not proved: {', '.join(sorted(missing))}")

    def _require_refused(self, body: bytes, status: int, code: str) -> None:
        reply = self._post(body)
        _want(reply.status == status, f"a wrong event is answered {reply.status}, want {status}")
        kind = reply.headers.get("content-type")
        _want(kind == "application/problem+json", f"a refusal has content type {kind}")
        found = json.loads(reply.body).get("code")
        _want(found == code, f"a wrong event is refused with {found!r}, want {code!r}")

    def _fetch(self, path: str, limit: int) -> bytes:
        """Be a `translog.formats.published.Fetch`."""
        reply = self._ask(Request(f"{self._url}/{path}"), limit)
        if reply.status == 404:
            raise MissingError(f"/{path} is not there")
        if reply.status != 200:
            raise UnavailableError(f"/{path} answers {reply.status}")
        return reply.body

    def _get(self, path: str) -> Reply:
        reply = self._ask(Request(f"{self._url}/{path}"))
        _want(reply.status == 200, f"/{path} answers {reply.status}: {reply.body[:200]!r}")
        return reply

    def _post(self, body: bytes) -> Reply:
        headers = {"content-type": "application/json"}
        return self._ask(Request(f"{self._url}/add", data=body, headers=headers, method="POST"))

    def _ask(self, request: Request, limit: int = MAX_BYTES) -> Reply:
        try:
            with urlopen(request, timeout=SECONDS) as response:
                status, headers, body = response.status, response.headers, response.read(limit + 1)
        except HTTPError as error:
            with error:
                status, headers, body = error.code, error.headers, error.read(limit + 1)
        except (URLError, OSError) as error:
            raise UnavailableError(f"{request.full_url}: {error}") from error
        if len(body) > limit:
            raise TooLargeError(f"{request.full_url} has more than {limit} bytes")
        return Reply(status, {name.lower(): text for name, text in headers.items()}, body)


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _want(true: bool, otherwise: str) -> None:
    if not true:
        raise CheckError(otherwise)


def main(url: str, log_vkey: str, signer_key: str, bundle: str) -> int:
    try:
        Outsider(url, log_vkey, bytes.fromhex(signer_key), Path(bundle).read_bytes()).see_all()
    except (CheckError, TranslogError) as error:
        print(f"outsider: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
