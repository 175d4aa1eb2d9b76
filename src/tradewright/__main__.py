"""`python -m tradewright`: the same command as the installed `tradewright`."""

from __future__ import annotations

from tradewright.cli.main import main

if __name__ == "__main__":
    main()
