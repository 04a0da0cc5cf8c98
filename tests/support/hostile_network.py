"""The network of a victim: names as the test says, loopback only, every byte counted."""

import ipaddress
import socket
import threading
from typing import Any

import pytest

from affineur.http.addresses import IPAddress
from affineur.http.connector import Connector

__all__ = ["PUBLIC", "Network"]

PUBLIC = "93.184.215.14"
"""An address of the internet, as far as the victim knows; what it connects to is loopback."""


class Network(Connector):
    """In place of the client's own connector. A connection to anything but loopback or PUBLIC fails the test.

    Attributes:
        names: name → its addresses, one list for each time that it is looked up (the last one stays).
        looked_up, connected: names and addresses, in order.
        forbidden: addresses that should not have been tried; `Victim` looks at it after each run, since a failure in
            another thread is not seen.
        read: bytes that the client took from its sockets (not those of TLS).
    """

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.looked_up: list[str] = []
        self.connected: list[str] = []
        self.forbidden: list[str] = []
        self.read = 0
        self._made: list[socket.socket] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close what a thread that nobody waits for may have left open."""
        for each in self._made:
            each.close()

    def forget(self) -> None:
        """Count from here."""
        self.looked_up.clear()
        self.connected.clear()
        self.read = 0

    def took(self, count: int) -> None:
        """Note bytes that were read."""
        with self._lock:
            self.read += count

    def resolve(self, host: str, port: int) -> list[IPAddress]:
        self.looked_up.append(host)
        answers = self.names.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [ipaddress.ip_address(each) for each in (answers.pop(0) if len(answers) > 1 else answers[0])]

    def connect(self, address: IPAddress, port: int, timeout_s: float) -> socket.socket:
        self.connected.append(str(address))
        if not address.is_loopback and str(address) != PUBLIC:
            self.forbidden.append(str(address))
            pytest.fail(f"a connection to {address} was tried")
        host = "127.0.0.1" if str(address) == PUBLIC else str(address)
        plain = socket.create_connection((host, port), timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = _Counted(fileno=plain.detach())
        made.network = self
        made.settimeout(timeout_s)
        self._made.append(made)
        return made


class _Counted(socket.socket):
    network: Network

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        count = super().recv_into(*arguments, **named)
        self.network.took(count)
        return count
