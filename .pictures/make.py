"""The README's pictures, from a finished run: ``python .pictures/make.py outputs/quickstart``.

``report.png`` is the top of the report in a real browser, ``terminal.svg`` the top of the summary
as ``shadowdesk report`` prints it at a terminal of 100 columns. Made of the same run with the same
Chromium and fonts, they are the same.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).resolve().parent
CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1200, 1400
COLUMNS, LINES = 100, 32


def report(run: Path) -> None:
    """The answer and the table under it, as wide as a laptop's screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((run / "report.html").resolve().as_uri())
        page.wait_for_load_state("networkidle")
        shot = page.screenshot()
        browser.close()
    # Text on white needs few colours: a third of the size.
    with Image.open(io.BytesIO(shot)) as picture:
        picture.convert("RGB").quantize(64).save(HERE / "report.png", optimize=True)


def terminal(run: Path) -> None:
    """What a terminal shows of the summary: its first lines, from a real one."""
    told = _at_a_terminal(["-m", "simulator", "report", str(run)])
    lines = Text.from_ansi(told).split("\n")
    # To the end of the paragraph.
    end = next(i for i, line in enumerate(lines) if i >= LINES and not line.plain.strip())
    shown = Text("\n").join([Text("$ shadowdesk report outputs/quickstart"), *lines[:end]])
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False
    )
    console.print(shown)
    svg = console.export_svg(title="shadowdesk", theme=MONOKAI, unique_id="terminal")
    # A picture asks nothing of the network: the reader's own monospaced font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (HERE / "terminal.svg").write_text(svg, "utf-8")


def _at_a_terminal(arguments: list[str]) -> str:
    """Standard output of a command that sees a terminal there."""
    ours, theirs = pty.openpty()
    asked = {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    plain = ("CI", "NO_COLOR", "SHADOWDESK_PLAIN")
    env = {name: value for name, value in os.environ.items() if name not in plain} | asked
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=theirs, stderr=subprocess.DEVNULL, env=env
    ) as command:
        os.close(theirs)
        said = b""
        while True:
            try:
                more = os.read(ours, 65_536)
            except OSError:
                # So Linux says that the other end has gone.
                break
            if not more:
                break
            said += more
    os.close(ours)
    if command.returncode:
        raise SystemExit(f"shadowdesk {' '.join(arguments[2:])} ended with {command.returncode}")
    return said.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    terminal(Path(sys.argv[1]))
    report(Path(sys.argv[1]))
