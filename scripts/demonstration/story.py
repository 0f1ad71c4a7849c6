"""The demonstration: what translog does, told while it is done. `scripts/demo` runs it.

Every step is a command or a request that a user could make, and its result is looked at. In the
end `outsider.py` checks all of it again over HTTP, as a process of its own.
"""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from server import Server, ServerError, serving

from translog.pith.key import PINNED

ROOT = Path(__file__).resolve().parents[2]
OUTSIDER = Path(__file__).with_name("outsider.py")
TRANSLOG = Path(sys.executable).with_name("translog")
BUNDLE = Path("translog/data/HAMJZSQVKL4VHWOAINCHUE26II.bundle.json")
SIGNER = "pith.science"
ORIGIN = "localhost/demo-log"
PORTS = range(8080, 8180)
SECONDS = 60
WIDTH = 88

USAGE = """usage: scripts/demo [--once]

Makes or continues the log in ./demo-log and leaves its server running.
With --once: all of it in a temporary folder, checked; exits with 0 or 1."""


# Blocks are not looked up: nothing that the log states by itself shall come between two steps.
ANCHORING = 'headers = "none"\n'
OFFLINE = f'calendars = ["http://127.0.0.1:9"]\n{ANCHORING}'  # where nobody listens


class DemoError(Exception):
    """Something is not as it should be."""


class Story:
    """The steps, in their order.

    Attributes:
        url: where the log is served, once it is.
    """

    def __init__(self, log: Path, place: str, anchoring: str) -> None:
        """Prepare to tell of the log in `log`, which people shall read as `place`.

        Args:
            anchoring: the content of a new log's anchoring.toml.
        """
        self.url = ""
        self._anchoring = anchoring
        self._calendars = "None of them can be reached from here"
        if anchoring == OFFLINE:
            self._calendars = "This demonstration asks nobody but an address where nobody listens"
        self._log = log
        self._place = place
        self._kept = log / "checked"
        self._vkey = self._kept / "log.vkey"
        self._bundle: dict[str, Any] = json.loads(BUNDLE.read_text())
        self._suffix = self._bundle["pith_number"].rpartition(":")[2]
        self._documents: list[Path] = []
        self._step = 0

    def make_log(self) -> None:
        if (self._log / "log.db").exists():
            (found,) = translog("fsck", self._log)
            self._tell(
                f"The log in {self._place} is there from before, with {found['size']} entries,"
                " and goes on. Everything it has stored was read and hashed again: all is as it"
                " was signed."
            )
        else:
            self._log.mkdir(parents=True, exist_ok=True)
            (self._log / "anchoring.toml").write_text(self._anchoring)
            translog("init", self._log, "--origin", ORIGIN)
            self._tell(
                f"A new log is made in {self._place}. It has a name, {ORIGIN}, and a key of its"
                f" own. Nobody may write to a new log: the key of {SIGNER}, which translog knows"
                " by name, is allowed to."
            )
        (registry,) = translog("keys", "list", self._log)
        if all(key["own"] for key in registry["keys"]):
            translog("keys", "allow", self._log, SIGNER)
        self._kept.mkdir(exist_ok=True)
        (shown,) = translog("keys", "show", self._log)
        self._vkey.write_text(f"{shown['vkey']}\n")

    def tell_server(self) -> None:
        self._tell(
            f"Its server listens on {self.url}. Every second it signs the tree of all entries, if"
            " there is a new one."
        )

    def add(self) -> None:
        source = self._bundle["source"]
        began = time.monotonic()
        answers = self._post()
        seconds = time.monotonic() - began
        kinds = [event["event_type"] for event in self._bundle["events"]]
        told = _listed(
            [f"{kind} as entry {a['index']}" for kind, a in zip(kinds, answers, strict=True)]
        )
        if all(answer["duplicate"] for answer in answers):
            came = f"Both were there from before: {told}."
        else:
            came = (
                f"The log checks each, writes it to disk, and only then says yes: {told}. The"
                f" answer took {seconds:.1f} s, for we asked to hear when a signed head covers"
                " them."
            )
        self._tell(
            f"A real bundle is sent to it over HTTP: what {SIGNER} published about"
            f" {source['kind']}:{source['id']}, in {len(kinds)} signed events. {came}"
        )

    def prove(self) -> None:
        for event in self._bundle["events"]:
            document = self._kept / f"{event['event_type']}.json"
            document.write_text(json.dumps(event, ensure_ascii=False))
            proof = document.with_name(f"{document.name}.tlog-proof")
            translog("prove", self.url, event["event_id"], "-o", proof)
            self._documents += [document, proof]
        size = self._documents[-1].stat().st_size
        self._tell(
            f"Each event is put into a file, and the proof that it was logged beside it: a text of"
            f" {size} bytes, the hashes on the way from its entry to the signed head, and that"
            " head."
        )

    def verify(self) -> None:
        found = verified([BUNDLE, *self._documents], SIGNER, self._vkey)
        logged = [each["sentence"] for each in found if each["name"] == "inclusion"]
        unseen = [each["sentence"] for each in found if each["name"] == "witnesses"]
        proved = [each for each in found if each["status"] == "proved"]
        self._tell(
            "Now without the log: the bundle, the events and their proofs are verified offline,"
            f" with nothing but the public keys of {SIGNER} and of the log."
            f" {len(proved)} statements are proved and none is false. Two of them:"
        )
        self._quote(*logged)
        self._tell_more(
            f"What the files cannot show is said as well ({len(found) - len(proved)}"
            " things), such as:"
        )
        self._quote(unseen[0])

    def audit(self) -> None:
        state = self._kept / "audit.json"
        (done,) = translog("audit", self.url, "--key", self._vkey, "--state", state)
        new = done["size"] - done["from_size"]
        if new:
            what = (
                f"fetches what the log has published: {new} new entries and their events. The tree"
                " they make is the one that the log has signed."
            )
        else:
            what = f"sees the tree of {done['size']} entries that it has checked before."
        self._tell(
            f"An auditor {what} It keeps its place in a file, and goes on from there next time: a"
            " log that rewrote its past would be caught."
        )

    def anchor(self) -> None:
        listed = self._anchors()
        if listed["anchors"]:
            newest = listed["anchors"][0]
            calendars = _listed([url.partition("//")[2] for url in newest["calendars"]])
            said = (
                f"The checkpoint of {newest['tree_size']} entries was given to {calendars}, which"
                " will get its hash into a block of Bitcoin within hours. Then every event of the"
                " log has a stock .ots file that shows how old it is."
            )
        else:
            said = (
                "The log would also be anchored in Bitcoin, for which calendars on the network take"
                f" a hash of its checkpoint. {self._calendars}, so that waits, and says so."
                " Nothing else waits for it."
            )
        self._tell(said)

    def _anchors(self) -> dict[str, Any]:
        """Return how anchoring stands, once calendars were asked."""
        until = time.monotonic() + SECONDS
        while True:
            (listed,) = translog("anchors", self.url)
            if listed["anchors"] or "stamp" in listed["waiting"] or time.monotonic() > until:
                return listed
            time.sleep(0.5)

    def serve_again(self) -> None:
        file = self._kept / "served.bundle.json"
        with urlopen(f"{self.url}/pith/{self._suffix}/bundle.json", timeout=SECONDS) as response:
            file.write_bytes(response.read())
        by_log = verified([file], self._vkey)
        if "bundle-bundle" not in {each["name"] for each in by_log if each["status"] == "proved"}:
            raise DemoError(f"{file} is not signed by the log")
        verified([file], SIGNER, self._vkey)
        ids = [[e["event_id"] for e in b["events"]] for b in (self._bundle, _read(file))]
        if ids[0] != ids[1]:
            raise DemoError(f"the served bundle has events {ids[1]}, want {ids[0]}")
        self._tell(
            "The log serves the record, too, in a bundle that it signs with its own key:"
            f" {self.url}/pith/{self._suffix}/bundle.json. It verifies, and the events in it are"
            f" as {SIGNER} signed them, with the same ids."
        )

    def add_again(self) -> None:
        before = translog("checkpoint", self.url)
        answers = self._post()
        if not all(answer["duplicate"] for answer in answers):
            raise DemoError(f"adding again was not seen as such: {answers}")
        if translog("checkpoint", self.url) != before:
            raise DemoError("adding again changed the signed head")
        self._tell(
            "The same bundle is sent again. Both events are there already, and the signed head is"
            " the same to the last byte: nothing has changed."
        )

    def ask_outsider(self) -> None:
        vkey, signer = self._vkey.read_text().strip(), PINNED[SIGNER].public_key.hex()
        done = subprocess.run(
            [sys.executable, OUTSIDER, self.url, vkey, signer, BUNDLE],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(done.stderr.strip() or "the outsider says nothing")
        self._tell(
            "Last, an outsider who has the address, the bundle and the two public keys asks the"
            " server over HTTP, believes nothing it says, and finds that:"
        )
        for line in done.stdout.splitlines():
            print(f"      - {line}")

    def tell_end(self) -> None:
        (found,) = translog("fsck", self._log)
        self._tell(
            "The server was asked to stop: it finished what it had taken in and ended. All that"
            f" is on the disk is hashed once more: {found['size']} events, as they were signed."
        )

    def tell_next(self) -> None:
        here, key = ".venv/bin/translog", self._vkey.relative_to(ROOT)
        event = (self._kept / "record_created.json").relative_to(ROOT)
        print("\nAll of it is true. The server keeps running: Ctrl-C stops it. To try next, from")
        print("another terminal in this folder:\n")
        for command in (
            f"{here} checkpoint {self.url}",
            f"{here} verify {event} {event}.tlog-proof --key {SIGNER} --key {key}",
            f"{here} audit {self.url} --key {key}",
            f"{here} keys generate my.key && {here} keys show my.key",
            f"curl {self.url}/pith/{self._suffix[:8]}/state.json",
        ):
            print(f"  {command}")
        print(flush=True)

    def _post(self) -> list[dict[str, Any]]:
        """Send the bundle's events and wait until a signed head covers them."""
        lines = [json.dumps(event, ensure_ascii=False) for event in self._bundle["events"]]
        request = Request(
            f"{self.url}/add?wait=published",
            data="".join(f"{line}\n" for line in lines).encode(),
            headers={"content-type": "application/x-ndjson"},
        )
        with urlopen(request, timeout=SECONDS) as response:
            answers = [json.loads(line) for line in response.read().splitlines()]
        for answer in answers:
            if "proof" not in answer:
                raise DemoError(f"an event was not logged: {answer}")
        return answers

    def _tell(self, text: str) -> None:
        self._step += 1
        print()
        lead = f"{self._step:>3}.  "
        print(_wrapped(text, lead, " " * len(lead)), flush=True)

    def _tell_more(self, text: str) -> None:
        print(_wrapped(text, " " * 6, " " * 6), flush=True)

    def _quote(self, *sentences: str) -> None:
        for sentence in sentences:
            print(_wrapped(sentence, "      - ", " " * 8), flush=True)


def translog(*arguments: str | Path) -> list[dict[str, Any]]:
    """Run a command with --json, and return what it printed."""
    command = [str(TRANSLOG), *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def verified(files: Sequence[Path], *keys: str | Path) -> list[dict[str, Any]]:
    """Verify files of which nothing may be false, and return what was found."""
    trusted = [argument for key in keys for argument in ("--key", key)]
    told = translog("verify", *files, *trusted)
    return [finding for document in told for finding in document["findings"]]


def free_port() -> int:
    for port in PORTS:
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise DemoError(f"ports {PORTS[0]} to {PORTS[-1]} of 127.0.0.1 are all taken")


def tell(story: Story, log: Path, port: int, *, once: bool) -> None:
    """Tell the whole story; without `once`, return when the server is stopped."""
    story.make_log()
    with serving(TRANSLOG, log, port) as server:
        story.url = server.url
        story.tell_server()
        story.add()
        story.prove()
        story.verify()
        story.audit()
        story.anchor()
        story.serve_again()
        story.add_again()
        story.ask_outsider()
        if not once:
            story.tell_next()
            _wait(server)
    if once:
        story.tell_end()


def _wait(server: Server) -> None:
    try:
        code = server.wait()
    except KeyboardInterrupt:
        print("\nStopping: what was taken in is finished and signed.", flush=True)
    else:
        raise DemoError(f"the server ended by itself, with {code}")


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--once"]):
        print(USAGE, file=sys.stdout if arguments in (["--help"], ["-h"]) else sys.stderr)
        return 0 if arguments in (["--help"], ["-h"]) else 2
    once = bool(arguments)
    # Whoever stops us by a signal wants the server to end well, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("translog: signed events go in, and proofs that anyone can check come out.")
    try:
        if once:
            with tempfile.TemporaryDirectory(prefix="translog-demo-") as folder:
                log = Path(folder) / "demo-log"
                tell(Story(log, "a temporary folder", OFFLINE), log, 0, once=True)
            print("\nAll of it is true.")
        else:
            log = ROOT / "demo-log"
            tell(Story(log, "./demo-log", ANCHORING), log, free_port(), once=False)
            print("Stopped. `scripts/demo` goes on with ./demo-log.")
    except (DemoError, ServerError, OSError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped before its end", file=sys.stderr)
        return 130
    return 0


def _wrapped(text: str, first: str, others: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _listed(things: list[str]) -> str:
    return " and ".join([*filter(None, [", ".join(things[:-1])]), things[-1]])


def _read(file: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(file.read_bytes())
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
