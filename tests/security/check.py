"""`make check` looks for weaknesses: bandit over src, secrets in tracked files, known advisories.

Every exception has its reason: those of bandit stand in pyproject.toml or on their line, those of
the secret scan below, by the hash of what was found, so that another secret in its place is seen.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

ROOT: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
SECONDS: Final = 60.0

# fmt: off
FORMS: Final = (
    "AWSKeyDetector", "ArtifactoryDetector", "AzureStorageKeyDetector",
    "CloudantDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector",
    "IbmCloudIamDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector",
    "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector",
    "SlackDetector", "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)
# fmt: on
"""Secrets that are known by their form."""
GUESSES: Final = ("BasicAuthDetector", "KeywordDetector")
"""Guesses by what stands before a value; in tests credentials are made up, so not there."""
SKIPPED: Final = ("uv.lock",)
"""Files of hashes alone, made by tools."""

_WELL_KNOWN: Final = "the rehearsal exchange's well-known key"
_MADE_UP: Final = "made up, and what the test is about"
_PUBLISHED: Final = "an example key of AWS's own documentation"
_A_PLACE: Final = "the name of a place where secrets are kept"
EXCEPTIONS: Final = {
    (".env.example", "5e884898da28"): "shows the form of a URL",
    ("docs/security.md", "322a7117168c"): "three dots, in the place of a password",
    ("tests/services/test_secrets_stay_secret.py", "573da6fd127e"): _MADE_UP,
    ("src/tradewright/adapters/postgres/pool.py", "5e884898da28"): "shows the form of a URL",
    ("src/tradewright/cli/account.py", "2bcd3e14dca8"): _WELL_KNOWN,
    ("src/tradewright/cli/exchange/commands.py", "2bcd3e14dca8"): _WELL_KNOWN,
    ("src/tradewright/cli/exchange/faults.py", "2bcd3e14dca8"): _WELL_KNOWN,
    ("src/tradewright/settings.py", "3d93d8d63ef4"): "the name of a setting",
    ("src/tradewright/settings.py", "e896c7f6fc00"): "the name of a setting",
    ("src/tradewright/settings.py", "3a3127f5ea02"): "the name of a setting",
    ("src/tradewright/services/app.py", "3a3127f5ea02"): "the name of a setting",
    ("src/tradewright/bootstrap/logins.py", "034a00624882"): _A_PLACE,
    ("src/tradewright/bootstrap/records.py", "034a00624882"): _A_PLACE,
    ("src/tradewright/bootstrap/secrets.py", "ba5285161ba6"): _A_PLACE,
    ("src/tradewright/bootstrap/secrets.py", "e6f0a1fbb43c"): _A_PLACE,
    ("tests/contracts/secret_servers.py", "1a5d44a2dca1"): _PUBLISHED,
    ("tests/services/test_secrets_stay_secret.py", "1a5d44a2dca1"): _PUBLISHED,
    ("tests/unit/adapters/test_remote_secrets.py", "78314b11be2e"): _PUBLISHED,
    ("tests/unit/adapters/test_remote_secrets.py", "1a5d44a2dca1"): _PUBLISHED,
    ("tests/unit/adapters/test_signature_v4.py", "1a5d44a2dca1"): _PUBLISHED,
    ("tests/unit/adapters/test_signature_v4.py", "78314b11be2e"): _PUBLISHED,
    ("tests/unit/adapters/test_lean_quotes.py", "e91f904c60c0"): "a row of prices",
    ("tests/unit/ops/test_redaction.py", "573da6fd127e"): _MADE_UP,
    ("tests/unit/ops/test_redaction.py", "de1ddae19886"): _MADE_UP,
    ("tests/unit/ops/test_redaction.py", "48e108aecdc2"): _MADE_UP,
}
"""What was found and is no secret, by file and start of its SHA-256, and why."""
HEURISTICS: Final = ("is_indirect_reference", "is_templated_secret", "is_potential_uuid")


class Finding(NamedTuple):
    """A secret in a file."""

    path: str
    line: int
    kind: str
    mark: str


def tracked() -> list[str]:
    """The files of the project: tracked, or not yet and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = sorted(set(listed.stdout.split("\0")) - {"", *SKIPPED})
    return [name for name in names if (ROOT / name).is_file()]


def secrets_in(paths: Sequence[Path], plugins: Sequence[str]) -> Iterator[Finding]:
    """Everything in files that looks like a secret."""
    filters = [{"path": f"detect_secrets.filters.heuristic.{name}"} for name in HEURISTICS]
    chosen = {"plugins_used": [{"name": name} for name in plugins], "filters_used": filters}
    with transient_settings(chosen):
        found = SecretsCollection()
        for path in paths:
            found.scan_file(str(path))
        for path_name, secret in found:
            value = secret.secret_value or secret.secret_hash
            mark = hashlib.sha256(value.encode()).hexdigest()[:12]
            shown = Path(path_name)
            name = shown.relative_to(ROOT) if shown.is_relative_to(ROOT) else shown
            yield Finding(name.as_posix(), secret.line_number, secret.type, mark)


def scan_secrets() -> list[str]:
    """A sentence for each secret that has no exception."""
    names = tracked()
    ours = [ROOT / name for name in names if not name.startswith("tests/")]
    tests = [ROOT / name for name in names if name.startswith("tests/")]
    found = [*secrets_in(ours, FORMS + GUESSES), *secrets_in(tests, FORMS)]
    return [
        f"{one.path}:{one.line}: {one.kind} (mark {one.mark})"
        for one in found
        if (one.path, one.mark) not in EXCEPTIONS
    ]


def bandit() -> list[str]:
    """What bandit finds in src."""
    command = [str(BIN / "bandit"), "-q", "-c", "pyproject.toml", "-r", "src", "-f", "json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(ran.stdout)
    wrong = [f"{one['filename']}: {one['reason']}" for one in report["errors"]]
    for one in report["results"]:
        place = f"{one['filename']}:{one['line_number']}"
        wrong.append(f"{place}: {one['test_id']} {one['issue_text']}")
    return wrong


def advisories() -> tuple[list[str], str]:
    """Known weaknesses of what is installed, and a line where they cannot be looked up."""
    unknown = "advisories could not be looked up: the service does not answer from here"
    # One question first: where nothing answers, two hundred would not be answered either.
    if _audited(["--requirement", _pinned("pip==25.0"), "--no-deps", "--disable-pip"]) is None:
        return [], unknown
    report = _audited(["--local"])
    if report is None:
        return [], unknown
    wrong = [
        f"{one['name']} {one['version']}: {', '.join(known['id'] for known in one['vulns'])}"
        for one in report
        if one.get("vulns")
    ]
    return wrong, f"advisories of {len(report)} packages were looked up"


def _audited(arguments: Sequence[str]) -> list[dict[str, Any]] | None:
    command = [str(BIN / "pip-audit"), "--format", "json", "--progress-spinner", "off"]
    try:
        ran = subprocess.run(
            [*command, "--timeout", "5", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        found: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        return None
    return found if any("vulns" in one for one in found) else None


def _pinned(requirement: str) -> str:
    file = Path(tempfile.mkdtemp()) / "requirements.txt"
    file.write_text(f"{requirement}\n", encoding="utf-8")
    return str(file)


def main() -> None:
    """Look for weaknesses; the process fails if there is one."""
    failed = False
    with ThreadPoolExecutor() as pool:
        looking = {"bandit": pool.submit(bandit), "secrets": pool.submit(scan_secrets)}
        known, said = pool.submit(advisories).result()
        found = {what: future.result() for what, future in looking.items()}
    for what, wrong in (found | {"advisories": known}).items():
        for line in wrong:
            print(f"{what}: {line}")
        failed = failed or bool(wrong)
    print(said)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
