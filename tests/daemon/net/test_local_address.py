from __future__ import annotations

import socket

import pytest

from authd.core.errors import ConfigError
from authd.daemon.net.local_address import local_address


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0"])
def test_an_address_is_returned_unchanged(address):
    """An IP address is not looked up."""
    assert local_address("server.address", address) == address


def test_a_host_name_is_looked_up(monkeypatch):
    """A host name is looked up, and its IPv4 address comes first."""
    found = [(10, 1, 6, "", ("::1", 0, 0, 0)), (2, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert local_address("server.address", "localhost") == "127.0.0.1"


def test_an_unknown_host_name(monkeypatch):
    """A name without an address is a settings error with the next step."""

    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConfigError, match=r"server\.address: the host name nowhere has no address \(Name or service"):
        local_address("server.address", "nowhere")
