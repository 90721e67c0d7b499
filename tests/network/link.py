"""A bad network link between two network namespaces: real kernels, real TCP, and between them this program.

    namespace "near" --tun--> forward: lose, delay, reorder, double, corrupt, cut --tun--> namespace "far"

Each end is a TUN device in a namespace of its own; every packet passes through here, in user space, so that it needs no
kernel module for faults. Draws come from a seed; which packet meets which draw is the kernels' timing. Needs root (or
CAP_NET_ADMIN and CAP_SYS_ADMIN), /dev/net/tun, and `ip` of iproute2: `why_not` says in words what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from dataclasses import dataclass

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000

NEAR, FAR = "10.211.0.1", "10.211.0.2"


@dataclass(frozen=True)
class Faults:
    """What happens to packets: parts of one for the chances, seconds for the delays."""

    lose: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    reorder: float = 0.0
    double: float = 0.0
    corrupt: float = 0.0
    towards_far: bool = True
    """Whether anything passes towards the far end."""
    towards_near: bool = True


def why_not() -> str | None:
    """Why no such link can be made here; None where it can."""
    if shutil.which("ip") is None:
        return "`ip` is missing (Debian: apt-get install iproute2)"
    name = f"potsdb-{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        return f"no network namespace can be made: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    try:
        os.close(tun("potsdbtry"))
    except OSError as error:
        return f"no TUN device can be made: {error}"
    return None


def tun(name: str) -> int:
    """A TUN device of that name, which goes with its descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(device)
        raise
    return device


class Link:
    def __init__(self, seed: int) -> None:
        self.faults = Faults()
        self.passed = self.lost = 0
        self._chance = random.Random(seed)
        self._stop_read, self._stop_write = os.pipe()
        self.near, self.far = (f"potsdb-{os.getpid()}-{end}" for end in ("near", "far"))
        self._devices: list[int] = []
        try:
            for namespace, device, own, peer in ((self.near, "potsdb0", NEAR, FAR), (self.far, "potsdb1", FAR, NEAR)):
                ip("netns", "add", namespace)
                # It stays this program's when it moves into the namespace.
                self._devices.append(tun(device))
                ip("link", "set", device, "netns", namespace)
                ip("-n", namespace, "addr", "add", own, "peer", peer, "dev", device)
                ip("-n", namespace, "link", "set", device, "up")
        except BaseException:
            self._remove()
            raise
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def run_in(self, namespace: str, *command: str, **options) -> subprocess.Popen:
        """A process that has only its end of the link."""
        return subprocess.Popen(["ip", "netns", "exec", namespace, *command], **options)

    def close(self) -> None:
        os.write(self._stop_write, b"x")
        self._thread.join()
        self._remove()

    def _remove(self) -> None:
        for descriptor in (*self._devices, self._stop_read, self._stop_write):
            os.close(descriptor)
        for namespace in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)

    def _forward(self) -> None:
        due: list[tuple[float, int, int, bytes]] = []
        number = 0
        near, far = self._devices
        while True:
            wait = max(0.0, due[0][0] - time.monotonic()) if due else None
            ready, _, _ = select.select([near, far, self._stop_read], [], [], wait)
            if self._stop_read in ready:
                return
            for device in ready:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        packet = os.read(device, 65536)
                        number += 1
                        for at in self._fate(device == near):
                            heapq.heappush(due, (at, number, far if device == near else near, self._changed(packet)))
            now = time.monotonic()
            while due and due[0][0] <= now:
                _, _, device, packet = heapq.heappop(due)
                # A full queue of the kernel's loses packets as well.
                with contextlib.suppress(OSError):
                    os.write(device, packet)

    def _fate(self, towards_far: bool) -> list[float]:
        """When a packet arrives: once, never, or twice."""
        faults, chance = self.faults, self._chance
        passes = faults.towards_far if towards_far else faults.towards_near
        if not passes or chance.random() < faults.lose:
            self.lost += 1
            return []
        self.passed += 1
        at = time.monotonic() + faults.delay + chance.uniform(-faults.jitter, faults.jitter)
        if chance.random() < faults.reorder:
            at += 0.02
        return [at, at + 0.001] if chance.random() < faults.double else [at]

    def _changed(self, packet: bytes) -> bytes:
        if self._chance.random() >= self.faults.corrupt:
            return packet
        place = self._chance.randrange(len(packet))
        return packet[:place] + bytes([packet[place] ^ 1 << self._chance.randrange(8)]) + packet[place + 1 :]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
