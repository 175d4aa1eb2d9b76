"""The command `tradewright`: as a script, and as `python -m tradewright`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded is no traceback either."""
    try:
        from tradewright.cli.main import main as run  # noqa: PLC0415 - loading takes a while
    except KeyboardInterrupt:
        sys.stderr.write("error: stopped\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
