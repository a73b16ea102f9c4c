#!/usr/bin/env python3
"""Does Thunderbird open what sealpost writes, and sealpost what Thunderbird writes?

Starts a Thunderbird of its own, with its own profile, home and screen, and has it show and send messages. It
speaks Marionette, the protocol that Mozilla tests its programs with: what is checked is what a reader would see.
Nothing is installed, and nothing is written but a temporary folder.

The packages of Debian that it takes: thunderbird xvfb gpg gpg-agent gpgconf openssl python3.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
THUNDERBIRD = "/usr/lib/thunderbird/thunderbird-bin"
DEADLINE = 60  # seconds: for whatever Thunderbird may need time for
STILL = 3  # seconds: what has not appeared after these does not appear
RESULTS = []

OK = "message-encrypted-ok"
PGP = {"suite": "OpenPGP", "encrypted": OK, "signed": "message-signed-verified"}
SMIME = {"suite": "S/MIME", "encrypted": OK, "signed": "message-signed-ok"}
PLAIN = {"suite": None, "encrypted": None, "signed": None}

# What sealpost wrote (material.sh), and what Thunderbird shows of it. Unless said otherwise, there is the text of
# the message and no attachment; the subject counts in OpenPGP only, for S/MIME see LIMITS.
OPENS = {
    "pgp-sealpost-key": PGP,
    "pgp-gpg-key": PGP,
    "pgp-thunderbird-key": PGP,
    "pgp-attachments": PGP | {"attachments": ["hello.txt", "Übersicht.csv"]},
    "pgp-html": PGP | {"text": "The HTML of a message, grüße"},
    "pgp-large": PGP | {"attachments": ["large.bin"]},
    "pgp-unsigned": PGP | {"signed": None},
    "pgp-legacy": PGP | {"text": "Betreff pgp-legacy"},
    "smime-rsa": SMIME,
    "smime-ec": SMIME,
    "smime-both": SMIME,
    "smime-attachment": SMIME | {"attachments": ["hello.txt"], "text": "The HTML of a message, grüße"},
    "smime-legacy": SMIME | {"text": "Betreff smime-legacy"},
    "smime-rsa-opaque": SMIME,
    "smime-ec-opaque": SMIME,
}

# What Thunderbird 153 cannot do. A failure here means that Thunderbird has learned it, and that the README should
# say so.
LIMITS = {
    # It reads no protected header fields in S/MIME, so that the subject is the one that servers see.
    "smime-rsa": ("no protected subject in S/MIME", SMIME | {"subject": "[...]"}),
    # It does not know AuthEnvelopedData: an empty message.
    "smime-gcm": ("no AES-GCM in S/MIME", PLAIN | {"text": ""}),
    # It does not know signatures of version 6, and shows nothing of what is signed by one.
    "pgp-v6-signature": ("no signature of version 6", PLAIN | {"text": ""}),
}

# Who writes to whom in Thunderbird, and the account that Alice opens it with.
WRITERS = [
    ("pgp", "bob-tb@example.org", "alice@example.org", "pgp"),
    ("smime", "bob-rsa@example.org", "alice-rsa@example.org", "rsa"),
    ("smime", "bob-ec@example.org", "alice-ec@example.org", "ec"),
]

# What they write: how Thunderbird is to send it, and what sealpost says of the subject and of the signature.
# In S/MIME, Thunderbird 153 protects no subject.
WRITES = {
    "sealed": ({"encrypt": True, "sign": True}, "signed-and-encrypted", "good"),
    "html": ({"encrypt": True, "sign": True, "html": True}, "signed-and-encrypted", "good"),
    "attachment": ({"encrypt": True, "sign": True, "attach": "hello.txt"}, "signed-and-encrypted", "good"),
    "encrypted": ({"encrypt": True, "sign": False}, "encrypted", "none"),
    "signed": ({"encrypt": False, "sign": True}, "signed", "good"),
}


def until(ask, what):
    """The first answer that counts as true, however slow the machine is."""
    end = time.monotonic() + DEADLINE
    while not (answer := ask()):
        if time.monotonic() > end:
            raise TimeoutError(f"after {DEADLINE} s still no {what}")
        time.sleep(0.1)
    return answer


class Marionette:
    """A running Thunderbird; its methods are the functions of thunderbird.js."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=2 * DEADLINE)
        self.input = self.socket.makefile("rb")
        self.count = 0
        self.source = (HERE / "thunderbird.js").read_text("utf-8")
        self.receive()  # a greeting
        self.command("WebDriver:NewSession", {})
        self.command("WebDriver:SetTimeouts", {"script": DEADLINE * 1000})
        self.command("Marionette:SetContext", {"value": "chrome"})

    def receive(self):
        """A packet is its length in decimal, a colon, and JSON."""
        length = b""
        while (byte := self.input.read(1)) != b":":
            if not byte:
                raise EOFError("Thunderbird is gone")
            length += byte
        return json.loads(self.input.read(int(length)))

    def command(self, name, parameters):
        self.count += 1
        packet = json.dumps([0, self.count, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(packet), packet))
        _, _, error, result = self.receive()
        if error:
            raise RuntimeError(f"{error['error']}: {error['message']}\n{error['stacktrace']}")
        return result

    def __getattr__(self, function):
        def call(*arguments):
            script = f"{self.source}\nreturn {function}(...arguments);"
            parameters = {"script": script, "args": arguments, "sandbox": "system"}
            return self.command("WebDriver:ExecuteScript", parameters)["value"]

        return call


class Sink(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps what it is given."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Session)
        self.messages = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        replies = {b"EHLO": b"250-sink\r\n250 8BITMIME", b"DATA": b"354 go on", b"QUIT": b"221 bye"}
        self.wfile.write(b"220 sink\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            self.wfile.write(replies.get(verb, b"250 fine") + b"\r\n")
            if verb == b"DATA":
                message = b"".join(line.removeprefix(b".") for line in iter(self.rfile.readline, b".\r\n"))
                self.server.messages.put(message)
                self.wfile.write(b"250 kept\r\n")
            elif verb == b"QUIT":
                return


def report(name, ok, found):
    RESULTS.append(ok)
    print(f"ok   {name}" if ok else f"FAIL {name} {json.dumps(found, ensure_ascii=False)[:1000]}", flush=True)


def start(stack, command, **options):
    """Starts a process that ends with the stack, and whatever it has started with it."""
    process = subprocess.Popen(command, start_new_session=True, **options)

    def stop():
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(DEADLINE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    stack.callback(stop)
    return process


def start_thunderbird(stack, work, env):
    screen = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x1000x24"]
    xvfb = start(stack, screen, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    env["DISPLAY"] = f":{int(xvfb.stdout.readline())}"
    profile = work / "profile"
    profile.mkdir()
    shutil.copy(HERE / "user.js", profile)
    command = [
        THUNDERBIRD,
        "--no-remote",
        "-marionette",
        "--remote-allow-system-access",
        "--profile",
        profile,
    ]
    log = stack.enter_context(open(work / "thunderbird.log", "w"))
    process = start(stack, command, env=env, stdout=log, stderr=subprocess.STDOUT)

    def port():
        if process.poll() is not None:
            raise RuntimeError(f"Thunderbird ended at once:\n{(work / 'thunderbird.log').read_text()}")
        file = profile / "MarionetteActivePort"
        return file.exists() and file.read_text()

    thunderbird = Marionette(int(until(port, "port of Marionette")))
    until(thunderbird.started, "window of Thunderbird")
    return thunderbird


def introduce(thunderbird, work, port, fingerprint):
    """Gives Thunderbird the keys of Bob, the certificates of Alice, and an account that submits to the port."""
    passphrase = (work / "bob/pgp.pass").read_text().strip()
    assert thunderbird.importKey((work / "bob-sp.sec.asc").read_text(), passphrase)
    assert thunderbird.importKey((work / "bob-gpg.sec.asc").read_text(), "")
    assert thunderbird.importCertificate((work / "alice.asc").read_text())
    thunderbird.importX509((work / "ca/ca.pem").read_text(), "C,C,C")
    for kind in "rsa", "ec":
        assert thunderbird.importPKCS12(str(work / f"ca/bob-{kind}.p12"), "secret") == 0
        thunderbird.importX509((work / f"ca/alice-{kind}.pem").read_text(), ",,")
    identities = [["bob-tb@example.org", fingerprint[-16:], None]]
    identities += [[f"bob-{kind}@example.org", None, f"bob-{kind}"] for kind in ("rsa", "ec")]
    thunderbird.makeAccount(port, identities)


def agrees(seen, expected):
    """Whether this is what we wait for; of the text, a part is enough, except where it is empty."""
    if any(seen[name] != value for name, value in expected.items() if name != "text"):
        return False
    return expected["text"] in seen["text"] if expected["text"] else not seen["text"].strip()


def show(thunderbird, work, name, expected, still=0):
    """Has Thunderbird show a message until it is as expected, and stays so; gives up at the deadline."""
    expected = {"text": f"The text of {name}", "attachments": []} | expected
    if expected["suite"] == "OpenPGP" and expected["text"]:
        expected.setdefault("subject", f"Betreff {name} – Grüße ✓")
    thunderbird.openMessage(str(work / f"sealed/{name}.eml"))
    end = time.monotonic() + DEADLINE
    since = None
    while True:
        now = time.monotonic()
        seen = thunderbird.seenMessage()
        since = (since or now) if seen and agrees(seen, expected) else None
        if since and now - since >= still or now > end:
            break
        time.sleep(0.1)
    ok = bool(since)
    for attachment, digest in thunderbird.seenAttachments() if ok else []:
        original = (work / "files" / attachment).read_bytes()
        ok = ok and digest == base64.b64encode(hashlib.sha256(original).digest()).decode()
    thunderbird.closeMessage()
    return ok, seen


def write(thunderbird, sink, message, work):
    """Has Thunderbird write a message and send it: what the server got."""
    if "attach" in message:
        message = message | {"attach": str(work / "files" / message["attach"])}
    thunderbird.openComposer(message)
    try:
        until(thunderbird.canSend, "window to write in")
        thunderbird.send(message)
        sent = sink.messages.get(timeout=DEADLINE)
        until(thunderbird.composerGone, "end of sending")
        return sent
    finally:
        until(thunderbird.closeComposer, "closed window")


def opens(command, env, sealed, text, expected):
    """Whether sealpost finds in a message what was written into it."""
    result = subprocess.run([*command, "--json", "-"], input=sealed, capture_output=True, env=env)
    found = json.loads(result.stdout or result.stderr)
    if result.returncode != 0 or text not in found["body"]["text"]:
        return False, found
    subject = found["headers"]["subject"]
    signature = found["signature"]["state"]
    attachments = [attachment["name"] for attachment in found["attachments"]]
    seen = (subject["value"], subject["protection"], found["encrypted"], signature, attachments)
    return seen == expected, found


def run(sealpost, work, stack):
    # Nothing of the user who runs this: no settings, no home, no screen.
    env = {"PATH": os.environ["PATH"], "HOME": str(work), "GDK_BACKEND": "x11", "LC_ALL": "C.UTF-8"}
    thunderbird = start_thunderbird(stack, work, env)
    fingerprint, certificate = thunderbird.makeKey("Bob <bob-tb@example.org>")
    (work / "bob-tb.asc").write_text(certificate)
    subprocess.run(["bash", HERE / "material.sh", sealpost], cwd=work, env=env, check=True)
    sink = stack.enter_context(Sink())
    stack.callback(sink.shutdown)
    introduce(thunderbird, work, sink.server_address[1], fingerprint)

    for name, expected in OPENS.items():
        report(f"Thunderbird opens {name}", *show(thunderbird, work, name, expected))
    for name, (limit, expected) in LIMITS.items():
        report(f"Thunderbird has its limit: {limit}", *show(thunderbird, work, name, expected, STILL))
        # It is a limit of Thunderbird only if nothing is wrong with the message.
        command = [sealpost, "--home", work / "bob", "open"]
        sealed = (work / f"sealed/{name}.eml").read_bytes()
        expected = (f"Betreff {name} – Grüße ✓", "signed-and-encrypted", True, "good", [])
        report(f"sealpost opens {name}", *opens(command, env, sealed, f"The text of {name}", expected))

    for suite, sender, recipient, account in WRITERS:
        command = [sealpost, "--home", work / "alice", "open", "--account", account]
        for name, (how, protection, signature) in WRITES.items():
            message = {"suite": suite, "from": sender, "to": recipient} | how
            message |= {"subject": f"Grüße {name}", "body": f"The text of {name} by {sender}"}
            protection = protection if suite == "pgp" else "unprotected"
            attachments = [how["attach"]] if "attach" in how else []
            expected = (message["subject"], protection, how["encrypt"], signature, attachments)
            try:
                sent = write(thunderbird, sink, message, work)
                found = opens(command, env, sent, message["body"], expected)
            except (queue.Empty, RuntimeError, TimeoutError) as error:
                found = False, f"Thunderbird did not send it: {error!r}"
            report(f"sealpost opens {name} by {sender}", *found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sealpost", type=pathlib.Path, help="the program to try")
    parser.add_argument("--keep", action="store_true", help="keep the folder with keys, messages and profile")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended then, too

    with contextlib.ExitStack() as stack:
        work = pathlib.Path(tempfile.mkdtemp(prefix="thunderbird-"))
        if arguments.keep:
            print("working in", work)
        else:
            stack.callback(shutil.rmtree, work, ignore_errors=True)
        run(arguments.sealpost.resolve(), work, stack)
    failed = RESULTS.count(False)
    print(f"{len(RESULTS) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
