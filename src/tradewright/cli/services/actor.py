"""Who runs a command, as the audit log names them."""

from __future__ import annotations

import os
import pwd


def actor() -> str:
    """Return the account of this machine that runs the command."""
    number = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        # A container may run under a number that has no name.
        return f"cli:uid-{number}"
