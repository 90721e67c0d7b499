"""Encrypted, logged in, and nobody hears the secret: the same client over every scheme."""

from __future__ import annotations

import logging
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from conftest import assert_balanced
from server import PATIENCE, Server

import potsdb

CANARY = "canary-5f1c"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def encrypted(context: ssl.SSLContext) -> Iterator[Server]:
    server = Server(tls=context)
    yield server
    server.close()


class Doorkeeper(BaseHTTPRequestHandler):
    """Takes every body whose request has the right login."""

    protocol_version = "HTTP/1.1"
    wanted = ""
    bodies = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(204)

    def do_GET(self) -> None:
        self.answer(404)

    def answer(self, status: int) -> None:
        if self.headers["Authorization"] != self.wanted:
            status = 401
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def keeper() -> Iterator[tuple[str, type[Doorkeeper]]]:
    class Own(Doorkeeper):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", Own
    server.shutdown()
    thread.join()
    server.server_close()


def send(client: potsdb.Client, count: int = 100) -> None:
    for i in range(count):
        client.send("m", i, timestamp=1500000000 + i, host="h")


def test_points_arrive_over_tls(encrypted: Server, ca: Path) -> None:
    client = potsdb.Client(f"tsdbs://localhost:{encrypted.port}", ca=ca)
    send(client)
    stats = client.close(PATIENCE)
    assert stats.acknowledged == 100
    assert_balanced(stats)
    assert len(encrypted.wait_for(100)) == 100


def test_a_stranger_is_an_os_error_where_the_host_is_checked(encrypted: Server, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with pytest.raises(OSError, match="UnknownIssuer"):
        potsdb.Client(f"tsdbs://localhost:{encrypted.port}", ca=other, check_host=True)


def test_a_file_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(potsdb.ConfigError, match=r"option ca: .*missing\.pem"):
        potsdb.Client("tsdbs://localhost", ca=tmp_path / "missing.pem", check_host=False)


def test_a_client_shows_its_certificate(context: ssl.SSLContext, authority: trustme.CA, ca: Path, tmp_path: Path) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    server = Server(tls=context)
    identity = authority.issue_cert("me")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    identity.cert_chain_pems[0].write_to_path(cert)
    identity.private_key_pem.write_to_path(key)
    with pytest.raises(potsdb.ConfigError, match="option key"):
        potsdb.Client(f"tsdbs://localhost:{server.port}", ca=ca, cert=cert, check_host=False)
    client = potsdb.Client(f"tsdbs://localhost:{server.port}", ca=ca, cert=cert, key=key)
    send(client)
    assert client.close(PATIENCE).acknowledged == 100
    server.close()


def test_the_login_goes_first_over_telnet(tmp_path: Path) -> None:
    server = Server(login=b"auth basic key secret")
    secret = tmp_path / "secret"
    secret.write_text("auth basic key secret\n")
    client = potsdb.Client("127.0.0.1", server.port, auth=f"line:@{secret}")
    send(client)
    assert client.close(PATIENCE).acknowledged == 100
    server.close()


def test_the_login_is_in_every_request(keeper: tuple[str, type[Doorkeeper]]) -> None:
    place, doorkeeper = keeper
    doorkeeper.wanted = "Basic bWU6cHc="
    client = potsdb.Client(f"http://me:pw@{place}", headers={"X-Scope-OrgID": "7"})
    send(client)
    assert client.close(PATIENCE).acknowledged == 100
    doorkeeper.wanted = "Bearer token"
    client = potsdb.Client.from_url(f"http://{place}?auth=bearer:token")
    send(client)
    assert client.close(PATIENCE).acknowledged == 100


def test_nothing_python_prints_shows_a_secret(
    keeper: tuple[str, type[Doorkeeper]], caplog: pytest.LogCaptureFixture
) -> None:
    place, _ = keeper
    caplog.set_level(logging.DEBUG)
    client = potsdb.Client.from_url(f"http://me:{CANARY}@{place}/x?token={CANARY}", headers={"X-Key": CANARY})
    send(client, 1)
    while not caplog.records:
        client.flush(0.01)
        client.stats()
    stats = client.stats()
    said = f"{client!r} {client} {stats!r} {stats.as_dict()} {caplog.text} {vars(client)}"
    assert "401" in said and CANARY not in said
    client.stop()
    for wrong in (
        dict(url=f"http://me:{CANARY}@h:x"),
        dict(url="http://h", auth=CANARY),
        dict(url="http://h", auth=f"basic:{CANARY}"),
        dict(url="http://h", headers={"Host": CANARY}),
        dict(url="http://h", headers={"X": f"a\n{CANARY}: b"}),
        dict(url=f"tsdb://me:{CANARY}@h"),
        dict(url="tsdb://h", auth=f"bearer:{CANARY}"),
    ):
        with pytest.raises(potsdb.ConfigError) as raised:
            potsdb.Client.from_url(**wrong)
        assert CANARY not in f"{raised.value} {raised.value!r}"


def test_the_exit_line_shows_no_secret(start, tmp_path: Path) -> None:
    server = Server(login=b"nobody")
    status, out, err = start(
        f"""
        import potsdb, logging
        logging.basicConfig(level="DEBUG")
        client = potsdb.Client("127.0.0.1", {server.port}, auth="line:{CANARY}", close_grace=0.3)
        client.send("m", 1)
        """
    ).finish()
    assert "not delivered" in err and CANARY not in out + err, err
    server.close()


@pytest.fixture
def command() -> str:
    command = os.environ.get("POTSDB_COMMAND")
    if command is None:
        pytest.skip("POTSDB_COMMAND does not say where the command is built; scripts/test builds it")
    return command


def tell(command: str, *arguments: str) -> tuple[int, str]:
    """The command's exit code, and everything it said."""
    ended = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    return ended.returncode, ended.stdout + ended.stderr


def test_the_command_sends_and_checks_over_tls(command: str, encrypted: Server, ca: Path, tmp_path: Path) -> None:
    url = f"tsdbs://localhost:{encrypted.port}?ca={ca}"
    status, said = tell(command, "send", "--url", url, "m", "1", "host=h")
    assert status == 0, said
    encrypted.wait_for(1)
    status, said = tell(command, "check", "--send", url)
    assert status == 0 and "over TLS" in said and "acknowledged" in said, said
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    status, said = tell(command, "check", f"tsdbs://localhost:{encrypted.port}?ca={other}")
    assert status == 1 and "UnknownIssuer" in said, said


def test_the_command_shows_no_secret(command: str, keeper: tuple[str, type[Doorkeeper]]) -> None:
    place, doorkeeper = keeper
    url = f"http://me:{CANARY}@{place}?token={CANARY}"
    for arguments in (
        ("check", url),
        ("check", "--json", "--send", "--timeout", "300ms", url),
        ("send", "--url", url, "--timeout", "300ms", "m", "1"),
        ("send", "--url", url, "--json", "--timeout", "300ms", "m", "1"),
        ("send", "--url", f"http://me:{CANARY}@h:x", "m", "1"),
        ("send", "--url", "http://h", "-o", f"auth={CANARY}", "m", "1"),
    ):
        status, said = tell(command, *arguments)
        assert CANARY not in said, said
        assert said, arguments
    doorkeeper.wanted = "Basic bWU6Y2FuYXJ5LTVmMWM="
    status, said = tell(command, "check", "--send", f"http://me:{CANARY}@{place}")
    assert status == 0 and "acknowledged" in said and CANARY not in said, said
