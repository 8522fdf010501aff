"""Record a terminal session as a picture: `make demo`'s, for the landing page.

python tools/site/terminal.py docs/demo.svg
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text


def main() -> int:
    """Run the demo, and write its output as SVG."""
    command = [sys.executable, "-m", "authd.cli.main", "demo"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ make demo", style="bold"))
    console.print(Text(output.rstrip()))
    picture = console.export_svg(title="make demo", unique_id="authd")
    picture = re.sub(r"@font-face \{[^}]*\}", "", picture)  # the fonts are on another host
    lines = [line.rstrip() for line in picture.splitlines()]
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
