"""What all tests share: where the real conversations are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data (see its README); not part of the product."""
    folder = Path(os.environ.get("SHADOWDESK_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SHADOWDESK_REAL_DATA to its folder")
    return folder
