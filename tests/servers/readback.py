#!/usr/bin/env python3
"""Asks a server what a transcript of reading back asks, and records its answers or compares with them.

    tests/servers/readback.py record  HOST:PORT FILE    writes the answers into the file, in place of those in it
    tests/servers/readback.py compare HOST:PORT FILE    prints what differs, and how many are equal

The server must be fresh: names get their numbers in the order in which they come. For OpenTSDB, HBase is fresh, and
tsd.core.auto_create_metrics=true. crates/receiver/tests/reads_back/ has the transcripts and says how they read;
`crates/receiver/tests/reads_back.rs` plays them at the receiver without any server.
"""

import base64
import http.client
import json
import re
import socket
import sys
import time
import urllib.parse

METHODS = ("GET", "POST", "POST64", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")

# What one answer must not be recorded with: it differs from run to run, or is the server's own code.
VOLATILE = ("trace", "time")


def main():
    command, address, path = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    if command == "record":
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(record(lines, host, int(port))))
    elif command == "compare":
        sys.exit(compare(lines, host, int(port)))
    else:
        sys.exit(__doc__)


def record(lines, host, port):
    played = Player(host, port)
    recorded = []
    for index, line in enumerate(lines):
        if line.startswith(("< ", "~ ")):
            continue
        recorded.append(line)
        following = lines[index + 1] if index + 1 < len(lines) else ""
        recorded += played.line(line, following)
    return recorded


def compare(lines, host, port):
    played = Player(host, port)
    counts = {"equal": 0, "words": 0, "data": 0, "status": 0}
    number, what, expected_telnet, telnet = 0, "", [], []
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if line.startswith("~ "):
            expected_telnet.append(line)
        elif line.startswith("< "):
            number += 1
            difference = how_it_differs(line[2:], came[2:])
            counts[difference or "equal"] += 1
            if difference:
                print(f"{index + 1}: {difference}: {what}\n    expected {line[2:][:600]}\n    but came {came[2:][:600]}")
        else:
            answers = played.line(line, following)
            telnet += [answer for answer in answers if answer.startswith("~ ")]
            for answer in answers:
                if answer.startswith("< "):
                    what, came = line, answer
    if telnet != expected_telnet:
        print(f"telnet: expected {expected_telnet}\n    but came {telnet}")
    good = counts["equal"] + counts["words"]
    print(f"{number} requests: {counts['equal']} equal, {counts['words']} equal but for words, {counts['data']} with other "
          f"data, {counts['status']} with another status: {good * 100 / number:.1f} % equal in status and data")
    return 0 if counts["data"] + counts["status"] == 0 and telnet == expected_telnet else 1


def how_it_differs(expected, came):
    """None, or the gravest difference: status, data, words."""
    if expected == came:
        return None
    status, _, expected = expected.partition(" ")
    came_status, _, came = came.partition(" ")
    if status != came_status:
        return "status"
    (head, expected), (came_head, came) = parts(expected), parts(came)
    if head != came_head:
        return "data"
    expected, came = read(expected), read(came)
    if expected == came:
        return None
    if isinstance(expected, Error) and isinstance(came, Error):
        return "words"
    return "data"


def parts(answer):
    """The fields of an answer's head, and its body."""
    match = re.match(r"(?:\([^)]*\) ?)*", answer)
    return match[0].strip(), answer[match.end():]


class Error(dict):
    """An error's object; its words are not data."""


def read(text):
    """The answer as data: numbers by their digits, objects without the order of their fields."""
    try:
        found = json.loads(text, parse_float=float, parse_int=str)
    except ValueError:
        return text
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        # `details` holds the server's own objects, and so does what a parser adds; code and message are compared.
        message = str(found["error"].get("message")).split("\n at [Source")[0]
        return Error(code=found["error"].get("code"), message=message)
    return found


class Player:
    """Plays the lines of a transcript at one server, and gives back the lines of its answers."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.puts, self.headers, self.loosely = [], [], False
        self.now = str(int(time.time()))

    def line(self, line, following):
        answers = self.played(line.replace("{now}", self.now), following)
        return [answer.replace(self.now, "{now}") for answer in answers]

    def played(self, line, following):
        word, _, rest = line.partition(" ")
        if word == "put":
            self.puts.append(line)
            if following.startswith("put "):
                return []
            puts, self.puts = self.puts, []
            return [f"~ {reply}" for reply in self.telnet(puts)]
        if word == "wait":
            self.settle()
        elif word == "loosely":
            self.loosely = True
        elif word == "H":
            self.headers.append(rest.split(": ", 1))
        elif word in METHODS:
            headers, loosely = self.headers, self.loosely
            self.headers, self.loosely = [], False
            target, _, body = rest.partition(" ")
            if not rest.partition(" ")[1]:
                body = None
            return ["< " + self.request(word, target, body, headers, loosely)]
        return []

    def telnet(self, puts):
        with socket.create_connection((self.host, self.port), timeout=30) as connection:
            connection.sendall("".join(f"{put}\n" for put in puts).encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            replies = b""
            while received := connection.recv(65536):
                replies += received
        return replies.decode("latin-1").splitlines()

    def settle(self):
        """Waits until what was put can be read: nothing is on its way to HBase, and nothing was sent between two looks."""
        deadline = time.monotonic() + 30
        sent_before = None
        while True:
            status, _, clients = self.request("GET", "/api/stats/region_clients", None, [], False).partition(" ")
            if status != "200":
                # Another server, which has no HBase behind it.
                return
            clients = json.loads(clients)
            waiting = sum(client[kind] for client in clients for kind in ("rpcsInFlight", "pendingBatchedRPCs", "pendingRPCs"))
            sent = sum(client["rpcsSent"] for client in clients)
            if waiting == 0 and sent == sent_before:
                return
            if time.monotonic() > deadline:
                sys.exit(f"not written to HBase within 30 s: {clients}")
            sent_before = sent
            time.sleep(0.02)

    def request(self, method, target, body, headers, loosely):
        if method == "POST64":
            method, body = "POST", base64.b64decode(body)
        elif body is not None:
            body = body.encode("utf-8")
        target = urllib.parse.quote(target, safe="%/:=&?-_.~!$'()*+,;@")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=4)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None or method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders(body)
            response = connection.getresponse()
            return written(response, response.read(), loosely)
        except TimeoutError:
            print(f"no answer to {method} {target}", file=sys.stderr)
            return "silence"
        except (OSError, http.client.HTTPException):
            return "end"
        finally:
            connection.close()


def written(response, body, loosely):
    """STATUS, what of the head says something, BODY."""
    words = [str(response.status)]
    for name in ("Location", "Allow", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"):
        if response.getheader(name):
            words.append(f"({name}: {response.getheader(name)})")
    kind = response.getheader("Content-Type") or "none"
    if kind != "application/json; charset=UTF-8":
        words.append(f"({kind})")
    if not kind.startswith(("application/json", "text/javascript", "application/javascript")):
        # A page, a picture, a text: that there is one is all that can be compared.
        return " ".join([*words, "..." if body else ""]).rstrip()
    text = body.decode("utf-8").replace("\n", "\\n").replace("\r", "\\r")
    if loosely:
        text = text[:1] + "..." + text[-1:]
    return " ".join([*words, without_volatile(text)]).rstrip()


def without_volatile(text):
    text = re.sub(r',"trace":"(?:[^"\\]|\\.)*"', "", text)
    text = re.sub(r'"trace":"(?:[^"\\]|\\.)*",', "", text)
    return re.sub(r'"time":[0-9.E-]+', '"time":0.0', text)


if __name__ == "__main__":
    main()
