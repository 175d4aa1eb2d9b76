from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from tradewright.broking import PAPER_HOST
from tradewright.core.errors import ConfigError
from tradewright.settings import ALIASES, environment_names, load_settings

LIVE = {
    "ALPACA_BASE_URL": "https://api.alpaca.markets",
    "DRY_RUN": "false",
    "LIVE_TRADING_CONFIRM": "123456789",
}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(environ: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(ConfigError, match=";") as refused:
        load_settings(environ, file)
    return str(refused.value)


def test_nothing_needs_to_be_set() -> None:
    settings = load_settings({})
    assert (settings.environment, settings.dry_run) == ("development", True)
    assert settings.alpaca_base_url == PAPER_HOST
    assert (settings.database_url, settings.redis_url) == (None, None)
    assert settings.paper_run_symbols == ("AAPL", "MSFT", "GOOGL")
    assert settings.paper_run_capital == Decimal(100000)


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "tradewright.toml").write_text(
        'ENVIRONMENT = "staging"\nDATABASE_POOL_MAX = 7\nDRY_RUN = true\n'
    )
    settings = load_settings({"DATABASE_POOL_MAX": "9", "HOME": "/"})
    assert (settings.environment, settings.database_pool_max) == ("staging", 9)


def test_another_file_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('TRADEWRIGHT_RUNS_DIR = "elsewhere"\n')
    assert load_settings({}, path).runs_dir == Path("elsewhere")
    assert "nowhere.toml: no such file" in refusal({}, tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"FOO = 1", "unknown setting 'FOO' in "),
        (b"APCA_API_KEY_ID = 'x'", "unknown setting 'APCA_API_KEY_ID'"),
        (b"a = ", "not TOML"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"DATABASE_POOL_MAX = 'many'", "DATABASE_POOL_MAX"),
        (b"DRY_RUN = 2020-01-01", "DRY_RUN"),
    ],
)
def test_file_that_does_not_fit_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "tradewright.toml").write_bytes(content)
    assert words in refusal({})


def test_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tradewright.toml").mkdir()
    assert "tradewright.toml: Is a directory; put a file there" in refusal({})


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = refusal(
        {
            "TRADEWRIGHT_FOO": "1",
            "TRADEWRIGHT_BAR": "2",
            "DATABASE_POOL_MIN": "none",
            "PAPER_RUN_CAPITAL": "-1",
            "DATABASE_URL": "REPLACE_ME",
        }
    )
    for name in ("TRADEWRIGHT_FOO", "TRADEWRIGHT_BAR", "DATABASE_POOL_MIN", "PAPER_RUN_CAPITAL"):
        assert name in told
    assert "DATABASE_URL is a placeholder or blank" in told
    assert told.endswith("`.env.example` lists every setting")


def test_names_of_others_in_the_environment_are_left_alone() -> None:
    assert load_settings({"FOO": "1", "PATH": "", "DATABASE": "x"}) == load_settings({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "moon"),
        ("DATABASE_POOL_MIN", "0"),
        ("DATABASE_TIMEOUT_SECONDS", "0"),
        ("DATABASE_TIMEOUT_SECONDS", "nan"),
        ("MAX_POSITION_SIZE", "NaN"),
        ("MAX_POSITION_SHARES", "0"),
        ("PAPER_RUN_CAPITAL", "Infinity"),
        ("PAPER_RUN_SYMBOLS", ""),
        ("PAPER_RUN_SYMBOLS", " , "),
        ("DRY_RUN", "perhaps"),
        ("ALPACA_BASE_URL", "http://paper-api.alpaca.markets"),
        ("ALPACA_BASE_URL", "paper-api.alpaca.markets"),
        ("ALPACA_BASE_URL", "https://"),
        ("ALPACA_BASE_URL", "https://[nonsense"),
        ("ALPACA_BASE_URL", "changeme"),
        ("REDIS_URL", " "),
        ("ALPACA_API_KEY_ID", "your_api_key"),
    ],
)
def test_value_that_does_not_fit_names_its_setting(name: str, value: str) -> None:
    assert name in refusal({name: value})


@pytest.mark.parametrize(("text", "name"), [("dev", "development"), ("prod", "production")])
def test_short_names_of_environments(text: str, name: str) -> None:
    assert load_settings({"ENVIRONMENT": text}).environment == name


def test_symbols_are_apart_by_commas_and_spaces() -> None:
    settings = load_settings({"PAPER_RUN_SYMBOLS": " SPY, IBM QQQ,"})
    assert settings.paper_run_symbols == ("SPY", "IBM", "QQQ")


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_names_of_the_vendor_are_read_and_ours_win(alias: str) -> None:
    canonical = ALIASES[alias]
    pair = {"ALPACA_API_KEY_ID": "PK1", "ALPACA_API_SECRET_KEY": "s1"}
    given = {name: value for name, value in pair.items() if name != canonical} | {alias: "theirs"}
    field = canonical.lower()
    assert getattr(load_settings(given), field).get_secret_value() == "theirs"
    ours = load_settings(given | {canonical: "ours"})
    assert getattr(ours, field).get_secret_value() == "ours"


def test_key_without_its_secret_is_refused() -> None:
    assert "must be given together" in refusal({"ALPACA_API_KEY_ID": "PK1"})


def test_pool_that_is_smaller_than_itself_is_refused() -> None:
    assert "DATABASE_POOL_MAX is below" in refusal({"DATABASE_POOL_MAX": "2"})


def test_live_trading_needs_three_facts_that_agree() -> None:
    assert load_settings(LIVE).live_trading_confirm == "123456789"
    for name in ("DRY_RUN", "LIVE_TRADING_CONFIRM"):
        some = {key: value for key, value in LIVE.items() if key != name}
        assert "ALPACA_BASE_URL is the live host without" in refusal(some)
    elsewhere = LIVE | {"ALPACA_BASE_URL": PAPER_HOST}
    assert "is not the live host" in refusal(elsewhere)


@pytest.mark.parametrize(
    "url",
    [
        "https://API.alpaca.markets",
        "https://api.alpaca.markets:443/v2",
        "https://api.alpaca.markets./v2",
        "https://paper-api.alpaca.markets@api.alpaca.markets",
    ],
)
def test_live_host_is_known_however_it_is_written(url: str) -> None:
    assert "live host without" in refusal({"ALPACA_BASE_URL": url})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8010", "http://localhost:1", "http://[::1]:2"])
def test_rehearsal_on_this_machine_needs_no_tls(url: str) -> None:
    assert load_settings({"ALPACA_BASE_URL": url}).alpaca_base_url == url


def test_secrets_are_in_no_text() -> None:
    secret = "hunter2"
    url = f"postgresql://u:{secret}@h/d"
    settings = load_settings({"DATABASE_URL": url, "REDIS_URL": f"redis://:{secret}@h/0"})
    assert secret not in repr(settings)
    assert secret not in str(settings.model_dump())
    told = refusal({"DATABASE_URL": url, "DATABASE_POOL_MAX": "x", "ALPACA_API_SECRET_KEY": secret})
    assert secret not in told


def test_settings_do_not_change() -> None:
    settings = load_settings({})
    with pytest.raises(ValidationError):
        settings.dry_run = False  # type: ignore[misc]


def test_every_setting_has_a_name_and_a_sentence() -> None:
    names = environment_names()
    assert len(names) > 15
    assert all(name.isupper() and text.endswith(".") for name, text in names.items())


def test_two_names_of_one_key_must_not_differ() -> None:
    given = {"APCA_API_KEY_ID": "one-key", "ALPACA_API_KEY": "other-key"}
    with pytest.raises(ConfigError, match="ALPACA_API_KEY and APCA_API_KEY_ID differ"):
        load_settings(given | {"ALPACA_API_SECRET_KEY": "secret"})


def test_two_names_of_one_key_may_agree() -> None:
    given = {"APCA_API_KEY_ID": "one-key", "ALPACA_API_KEY_ID": "one-key"}
    settings = load_settings(given | {"ALPACA_API_SECRET_KEY": "secret"})
    assert settings.alpaca_api_key_id is not None
    assert settings.alpaca_api_key_id.get_secret_value() == "one-key"


def test_a_rehearsal_exchange_is_named_once() -> None:
    settings = load_settings({"ALPACA_BASE_URL": "http://127.0.0.1:8010/"})
    assert (settings.is_rehearsal, settings.is_live) == (True, False)
    assert settings.data_url == "http://127.0.0.1:8010"
    assert settings.stream_url == "ws://127.0.0.1:8010"
    theirs = load_settings({})
    assert theirs.data_url == "https://data.alpaca.markets"
    assert theirs.stream_url == "wss://stream.data.alpaca.markets"
    other = load_settings({"ALPACA_DATA_URL": "https://data.sandbox.alpaca.markets"})
    assert other.data_url == "https://data.sandbox.alpaca.markets"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALPACA_DATA_URL", "http://data.alpaca.markets"),
        ("ALPACA_STREAM_URL", "https://stream.data.alpaca.markets"),
        ("ALPACA_STREAM_URL", "ws://stream.data.alpaca.markets"),
        ("ALPACA_FEED", "cta"),
        ("ALPACA_DATA_DELAY_SECONDS", "-1"),
        ("ALPACA_DATA_DELAY_SECONDS", "nan"),
        ("ALPACA_REQUESTS_PER_MINUTE", "9"),
        ("ALPACA_DATA_REQUESTS_PER_MINUTE", "0"),
        ("ALPACA_HANDSHAKES_PER_MINUTE", "0"),
        ("ALPACA_REQUEST_TIMEOUT_SECONDS", "0"),
        ("ALPACA_QUIET_SECONDS", "inf"),
        ("ALPACA_MAX_SKEW_SECONDS", "0"),
    ],
)
def test_manners_that_do_not_fit_name_their_setting(name: str, value: str) -> None:
    assert name in refusal({name: value})


def test_keys_of_another_kind_of_account_are_refused() -> None:
    paper = {"ALPACA_API_KEY_ID": "PKABC", "ALPACA_API_SECRET_KEY": "s"}
    live = {"ALPACA_API_KEY_ID": "AKABC", "ALPACA_API_SECRET_KEY": "s"}
    assert load_settings(paper).alpaca_api_key_id is not None
    assert load_settings(LIVE | live).is_live
    assert "is a paper key but ALPACA_BASE_URL is the live host" in refusal(LIVE | paper)
    assert "is a live key but ALPACA_BASE_URL is the paper host" in refusal(live)


PROVIDER = {
    "OIDC_ISSUER": "https://login.example.com/",
    "AUTH0_CLIENT_ID": "client",
    "OIDC_REDIRECT_URL": "https://auth.example.com/api/v1/auth/callback",
}


def test_an_identity_provider_is_given_whole() -> None:
    assert load_settings(PROVIDER).identity_provider == "https://login.example.com/"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"AUTH0_DOMAIN": "tenant.us.auth0.com"}, "AUTH0_DOMAIN and OIDC_ISSUER are both given"),
        ({"AUTH0_CLIENT_ID": None}, "AUTH0_CLIENT_ID goes with AUTH0_DOMAIN or OIDC_ISSUER"),
        ({"OIDC_ISSUER": None}, "AUTH0_CLIENT_ID goes with AUTH0_DOMAIN or OIDC_ISSUER"),
        ({"OIDC_ISSUER": "http://login.example.com/"}, "is not an https address"),
        ({"OIDC_REDIRECT_URL": "auth.example.com"}, "is not an https address"),
        ({"AUTH_IDLE_MINUTES": "5"}, "AUTH_IDLE_MINUTES is shorter than AUTH_ACCESS_SECONDS"),
    ],
    ids=["two", "no client", "no issuer", "plain http", "no scheme", "idle"],
)
def test_what_contradicts_itself_of_logins_is_refused(
    given: dict[str, str | None], words: str
) -> None:
    environ = {name: value for name, value in (PROVIDER | given).items() if value is not None}
    with pytest.raises(ConfigError) as refused:
        load_settings(environ)
    assert words in str(refused.value)
