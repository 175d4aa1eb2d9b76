"""`tradewright audit` and `tradewright certs` as an operator runs them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.commands import Told, run
from tradewright.adapters.postgres import PostgresAuditTable, open_pool
from tradewright.core.records import Note

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
PHRASES = {
    "CA_KEY_PASSPHRASE": "correct horse battery",
    "CERT_KEY_PASSPHRASE": "of the operator",
}


def certs(folder: Path, *arguments: str, phrases: dict[str, str] | None = None) -> Told:
    return run(folder, "certs", *arguments, settings=PHRASES if phrases is None else phrases)


def fine(told: Told) -> list[str]:
    assert (told.code, told.err) == (0, ""), told
    return told.out.splitlines()


WAITS = "the audit entry waits on this machine for the database\n"


def done(told: Told) -> list[str]:
    """The lines of a command that was written down on disk, for want of a database."""
    assert (told.code, told.err) == (0, WAITS), told
    return told.out.splitlines()


def test_the_life_of_a_certificate(tmp_path: Path) -> None:
    done(certs(tmp_path, "init"))
    paths = [Path(line) for line in done(certs(tmp_path, "issue", "anna", "--out", "out"))]
    assert {path.suffix for path in paths} == {".crt", ".key", ".p12"}
    for path in paths:
        expected = 0o644 if path.suffix == ".crt" else 0o600
        assert (tmp_path / path).stat().st_mode & 0o777 == expected
    assert b"ENCRYPTED" in next((tmp_path / "out").glob("*.key")).read_bytes()

    *_, kept = done(certs(tmp_path, "renew", "anna", "--out", "out", "--days", "400"))
    assert "stays good until" in kept
    assert [line["name"] for line in certificates(tmp_path)] == ["anna", "anna"]

    gone = done(certs(tmp_path, "revoke", "anna", "--reason", "affiliationChanged"))
    assert len([line for line in gone if line.startswith("revoked")]) == 2
    assert {line["state"] for line in certificates(tmp_path)} == {"revoked"}
    done(certs(tmp_path, "crl", "--list-days", "10"))
    assert all("fine" in line for line in fine(certs(tmp_path, "check")))


def certificates(folder: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = certs(folder, "list", "--json", phrases={}).body()["certificates"]
    return found


def test_what_expires_soon_is_an_exit_code(tmp_path: Path) -> None:
    done(certs(tmp_path, "init"))
    done(certs(tmp_path, "issue", "anna", "--days", "29", "--open-key"))
    told = certs(tmp_path, "check")
    assert told.code == 1
    assert "RENEW: anna" in told.out
    done(certs(tmp_path, "renew", "anna", "--open-key"))
    fine(certs(tmp_path, "check"))
    done(certs(tmp_path, "crl", "--list-days", "6"))
    told = certs(tmp_path, "check", "--json")
    assert told.code == 1
    assert not json.loads(told.out)["fine"]


def test_without_a_passphrase_the_remedy_is_told(tmp_path: Path) -> None:
    assert "CA_KEY_PASSPHRASE is not set" in certs(tmp_path, "init", phrases={}).complaint()
    assert not (tmp_path / ".tradewright" / "ca").exists()


def test_there_is_nothing_to_renew(tmp_path: Path) -> None:
    done(certs(tmp_path, "init"))
    assert "no certificate to renew" in certs(tmp_path, "renew", "anna").complaint()
    assert "certs list" in certs(tmp_path, "revoke", "anna").complaint()


def spooled(folder: Path) -> list[dict[str, Any]]:
    """What waits on disk, as it will stand in the audit log."""
    path = folder / ".tradewright" / "audit-spool" / "cli" / "0.jsonl"
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{**entry, "body": entry["body"]["body"]} for entry in entries]


def test_what_is_done_with_certificates_is_written_down(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    done(certs(tmp_path, "init", "--label", "desk"))
    done(certs(tmp_path, "issue", "anna", "--open-key"))
    done(certs(tmp_path, "renew", "anna", "--open-key"))
    done(certs(tmp_path, "revoke", "anna", "--reason", "keyCompromise"))
    assert certs(tmp_path, "revoke", "nobody").code == 2
    entries = spooled(tmp_path)
    assert all(entry["actor"].startswith("cli:") for entry in entries)
    serials = [line["serial"] for line in certificates(tmp_path)]
    kinds = [entry["kind"] for entry in entries]
    assert kinds[:4] == [
        *("authority_made", "certificate_issued", "certificate_renewed", "certificates_revoked"),
    ]
    assert kinds[4:] == ["certificates_revoked", "certificates_revoked_failed"]
    told = [entry["body"] for entry in entries]
    assert told[0]["name"].startswith("desk ")
    assert [one["serial"] for one in told[1:3]] == serials
    assert {one["name"] for one in told[1:3]} == {"anna"}
    assert told[3] == {"who": "anna", "reason": "keyCompromise"}
    assert "correct horse" not in json.dumps(entries)

    # The next command that reaches a database puts in what waited, in order, and says so.
    answers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    fine(certs(tmp_path, "crl", phrases=PHRASES | answers))
    assert spooled(tmp_path) == []
    desk = run(tmp_path, "audit", "list", "--json", settings=answers).body()["entries"]
    assert [entry["kind"] for entry in desk[::-1]] == [
        *kinds,
        "revocation_list_signed",
        "audit.gap",
    ]
    fine(certs(tmp_path, "issue", "ben", "--open-key", phrases=PHRASES | answers))
    desk = run(tmp_path, "audit", "list", "--json", settings=answers).body()["entries"]
    assert (desk[0]["kind"], desk[0]["body"]["name"]) == ("certificate_issued", "ben")
    assert "hold together" in fine(run(tmp_path, "audit", "verify", settings=answers))[0]


def test_a_certificate_that_cannot_be_recorded_is_not_handed_out(tmp_path: Path) -> None:
    done(certs(tmp_path, "init"))
    done(certs(tmp_path, "issue", "anna", "--open-key", "--out", "first"))
    full = {"AUDIT_SPOOL_MAX_MB": "1"}
    path = tmp_path / ".tradewright" / "audit-spool" / "cli" / "0.jsonl"
    path.write_bytes(path.read_bytes() + b"x" * 2**20 + b"\n")
    told = certs(tmp_path, "issue", "ben", "--open-key", "--out", "out", phrases=PHRASES | full)
    assert told.code == 1
    assert "is not handed out; revoke it" in told.err
    assert not (tmp_path / "out").exists()
    told = certs(tmp_path, "revoke", "anna", phrases=PHRASES | full)
    assert (told.code, "is full" in told.err) == (1, True)
    assert {line["state"] for line in certificates(tmp_path)} == {"good"}


@pytest.fixture
def filled(database_url: str) -> str:
    async def fill() -> None:
        pool = await open_pool(database_url, min_size=1, max_size=1)
        notes = {
            str(n): Note(AT + timedelta(minutes=n), f"user:{n % 2}", "login", {"n": n})
            for n in range(6)
        }
        await PostgresAuditTable(pool).append(notes)
        await pool.close()

    asyncio.run(fill())
    return database_url


class Desk:
    """`tradewright audit` over one database."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.url = database_url
        self._settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}

    def audit(self, *arguments: str) -> Told:
        return run(self.folder, "audit", *arguments, settings=self._settings)

    def tamper(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as link:
            link.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
            for statement in statements:
                link.execute(statement.encode())


@pytest.fixture
def desk(tmp_path: Path, filled: str, redis_url: str) -> Desk:
    return Desk(tmp_path, filled, redis_url)


def test_a_whole_log_verifies_and_a_changed_one_does_not(desk: Desk) -> None:
    (line,) = fine(desk.audit("head"))
    heads = desk.folder / "heads.jsonl"
    heads.write_text(f"{line}\n", encoding="utf-8")
    assert "6 entries hold together" in fine(desk.audit("verify", "--heads", str(heads)))[0]
    body = desk.audit("verify", "--json").body()
    assert (body["intact"], body["entries"], body["head"]["seq"]) == (True, 6, 6)

    desk.tamper("DELETE FROM audit_log WHERE seq = 6")
    assert desk.audit("verify").code == 0, "without a head a cut tail cannot be seen"
    told = desk.audit("verify", "--heads", str(heads))
    assert (told.code, told.out.splitlines()[0]) == (1, "BROKEN at entry 6: missing")

    desk.tamper("UPDATE audit_log SET actor = 'user:mallory' WHERE seq = 3")
    told = desk.audit("verify", "--json")
    assert told.code == 1
    assert json.loads(told.out)["first_bad_seq"] == 3
    assert json.loads(told.out)["fault"] == "content"


def test_an_anchor_proves_that_no_tail_was_cut(desk: Desk) -> None:
    told = desk.audit("anchor-key")
    assert told.err.startswith("made AUDIT_ANCHOR_KEY")
    public = desk.folder / "anchor.pem"
    public.write_text(told.out, encoding="utf-8")
    assert desk.audit("anchor-key").out == told.out
    fine(desk.audit("anchor", "--out", "anchors.jsonl"))
    (line,) = fine(desk.audit("anchor", "--out", "anchors.jsonl"))
    anchors = desk.folder / "anchors.jsonl"
    assert anchors.read_text(encoding="utf-8").splitlines()[-1] == line
    assert json.loads(line)["seq"] == 6
    # An auditor has the public half and the anchors alone.
    check = ("verify", "--anchor", "anchors.jsonl", "--key", "anchor.pem")
    (desk.folder / ".tradewright" / "secrets" / "AUDIT_ANCHOR_KEY").rename(desk.folder / "away")
    assert "against 2 noted heads" in fine(desk.audit(*check))[0]
    assert "AUDIT_ANCHOR_KEY is not there" in desk.audit(*check[:3]).complaint()

    desk.tamper("DELETE FROM audit_log WHERE seq = 6")
    assert desk.audit("verify").code == 0
    cut = desk.audit(*check)
    assert (cut.code, cut.out.splitlines()[0]) == (1, "BROKEN at entry 6: missing")
    (desk.folder / "away").rename(desk.folder / ".tradewright" / "secrets" / "AUDIT_ANCHOR_KEY")
    # What is cut off is not signed over.
    assert "it is not signed" in desk.audit("anchor", "--out", "anchors.jsonl").complaint()
    assert len(anchors.read_text(encoding="utf-8").splitlines()) == 2
    # The database's owner notes a head of their own, and cannot sign it.
    head = json.loads(line) | {"seq": 5, "hash": json.loads(desk.audit("head").out)["hash"]}
    anchors.write_text(json.dumps(head) + "\n", encoding="utf-8")
    assert "did not sign: 1" in desk.audit(*check).complaint()
    (desk.folder / "nothing").touch()
    assert "holds no anchor" in desk.audit("verify", "--anchor", "nothing").complaint()
    assert "--anchor" in desk.audit("verify", "--anchor", "absent").complaint()
    assert "--key" in desk.audit(*check[:4], "absent").complaint()


def test_entries_are_listed_newest_first(desk: Desk) -> None:
    def numbers(*arguments: str) -> list[int]:
        body = desk.audit("list", "--json", *arguments).body()
        return [entry["body"]["n"] for entry in body["entries"]]

    assert numbers() == [5, 4, 3, 2, 1, 0]
    assert numbers("--actor", "user:1", "--limit", "2") == [5, 3]
    assert numbers("--since", "2026-03-04T14:34") == [5, 4]
    assert numbers("--kind", "logout") == []
    assert fine(desk.audit("list", "--limit", "1"))[0].startswith("6 2026-03-04 14:35:00 user:1")


def test_bad_input_names_the_option(desk: Desk) -> None:
    assert "--since" in desk.audit("list", "--since", "yesterday").complaint()
    assert "--heads" in desk.audit("verify", "--heads", "nothing").complaint()
    (desk.folder / "bad").write_text("{}", encoding="utf-8")
    assert "--heads" in desk.audit("verify", "--heads", "bad").complaint()
