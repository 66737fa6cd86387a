"""What the answers of a model depend on: its weights and how it is sampled, not where it runs."""

from __future__ import annotations

import pytest

from simulator import backends
from simulator.backends import PASSING, final
from simulator.scenario import LanguageModel

MIDDLE = 16 << 20


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(2 * MIDDLE)
    return tmp_path


def of(folder, **settings):
    return backends.identity(LanguageModel(backend="transformers", folder=folder, **settings))


def test_exact_weights_that_differ_in_one_matrix_are_other_weights(folder):
    before = of(folder)
    # A matrix of 64 KiB is a small one in a file of 32 MiB.
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(MIDDLE + 5000)
        file.write(b"\x01" * (64 << 10))
    assert of(folder) != before


def test_exact_a_small_file_that_differs_in_one_byte_is_another_model(folder):
    before = of(folder)
    (folder / "config.json").write_text("[]")
    assert of(folder) != before


def test_exact_sampling_and_adapter_are_part_of_it_and_the_place_is_not(folder, tmp_path_factory):
    before = of(folder)
    assert of(folder, temperature=0.5) != before
    assert of(folder, adapter=folder) != before
    elsewhere = folder.rename(tmp_path_factory.mktemp("other") / "model")
    assert of(elsewhere) == before
    server = {"backend": "openai_http", "name": "m"}
    one, other = (
        backends.identity(LanguageModel(**server, server={"url": url, "concurrency": n}))
        for url, n in (("http://a/v1", 1), ("http://b/v1", 9))
    )
    assert one == other


@pytest.mark.parametrize("error", [*sorted(PASSING), "http_400", "http_402", "http_451"])
def test_exact_what_may_be_the_servers_fault_is_not_final(error):
    assert not final(error)


@pytest.mark.parametrize("error", [None, "too_long", "undecided", "no_reply", "template_error"])
def test_exact_what_belongs_to_the_ask_is_final(error):
    assert final(error)
