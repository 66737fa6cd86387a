"""The main job makes no network connection: with every connection refused, it runs all the same."""

from __future__ import annotations

import socket

import pytest

from simulator import pipeline
from tests.conftest import small_quickstart
from tests.test_interventions import SMALL


def refuse(*_, **__):
    raise AssertionError("a network connection was tried")


def test_the_quickstart_needs_no_network(tmp_path, monkeypatch):
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(AssertionError, match="network"):
        socket.create_connection(("127.0.0.1", 9))
    scenario = small_quickstart(*SMALL)
    assert pipeline.run(scenario, tmp_path / "out").manifest["finished"]
