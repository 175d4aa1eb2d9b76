"""The words of the auth service: what is asked at its routes and what they answer.

A login answers with tokens, or with cookies for a browser: then the body holds no token but the
one against forged requests. Whatever is secret is of a type that does not print itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tradewright.core.access import Permission, Role

HOST_PREFIX: Final = "__Host-"
"""Of cookies that a browser takes over TLS alone, for this host alone and for all of it."""
SECURE_PREFIX: Final = "__Secure-"
"""Of cookies that a browser takes over TLS alone."""
REFRESH_COOKIE: Final = "tradewright_refresh"
"""Holds a browser's refresh token; sent to the refreshing route alone."""
STATE_COOKIE: Final = "tradewright_oidc"
"""Tells that the browser which comes back from the identity provider is the one that went."""
LOGIN_PATH: Final = "/api/v1/auth/login"
REFRESH_PATH: Final = "/api/v1/auth/refresh"
CALLBACK_PATH: Final = "/api/v1/auth/callback"

_Name = Annotated[str, Field(min_length=1, max_length=254)]
_Password = Annotated[SecretStr, Field(min_length=1, max_length=1024)]
_Token = Annotated[SecretStr, Field(min_length=1, max_length=512)]
_Code = Annotated[SecretStr, Field(min_length=6, max_length=64)]
_Strategies = Annotated[frozenset[str], Field(max_length=1000)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LoginRequest(_Asked):
    """A name, or an e-mail address, and a password."""

    name: _Name
    password: _Password
    cookies: bool = Field(default=False, description="Answer with cookies, for a browser.")


class SecondFactorRequest(_Asked):
    """A code for a challenge: of the authenticator, or a recovery code."""

    challenge: _Token
    code: _Code
    cookies: bool = Field(default=False, description="Answer with cookies, for a browser.")


class RefreshRequest(_Asked):
    """The refresh token; without one it is read from the cookie."""

    refresh_token: _Token | None = None


class PasswordRequest(_Asked):
    """The present password and the one in its place."""

    present: _Password
    following: _Password


class SetupRequest(_Asked):
    """The one-time token that an admin handed out, and the first password."""

    token: _Token
    password: _Password


class EnrolRequest(_Asked):
    """The password once more; users without one log in just before instead."""

    password: _Password | None = None


class ConfirmRequest(_Asked):
    """The first code of the authenticator."""

    code: _Code


class RemoveRequest(_Asked):
    """The password and a code once more."""

    password: _Password | None = None
    code: _Code


class UserRequest(_Asked):
    """An account to be made."""

    name: _Name
    email: _Name | None = None
    roles: frozenset[Role] = frozenset()
    strategies: _Strategies = frozenset()
    every_strategy: bool = False


class UserChange(_Asked):
    """What is to become of an account; what is not given stays. An empty address takes it away."""

    email: Annotated[str, Field(max_length=254)] | None = None
    roles: frozenset[Role] | None = None
    strategies: _Strategies | None = None
    every_strategy: bool | None = None
    disabled: bool | None = None


class ResetRequest(_Asked):
    """Whether the second factor is taken away with the password."""

    second_factor: bool = False


class LoginAnswer(BaseModel):
    """A login, or the question for a second factor."""

    status: Literal["authenticated", "second_factor_required"]
    challenge: str | None = Field(None, description="What to show with the code.")
    access_token: str | None = None
    token_type: Literal["Bearer"] | None = None
    expires_in: int | None = Field(None, description="Seconds until the access token expires.")
    refresh_token: str | None = Field(None, description="Good once.")
    csrf_token: str | None = Field(None, description="What a page repeats in X-CSRF-Token.")
    session_id: str | None = None
    session_expires_at: datetime | None = Field(None, description="If it is not refreshed before.")
    must_enrol: bool = Field(
        default=False, description="The roles count once there is a second factor; enrol one now."
    )


class MeAnswer(BaseModel):
    """Who is logged in, and what that allows."""

    user_id: str
    name: str
    email: str | None
    roles: list[Role]
    permissions: list[Permission]
    strategies: list[str] | None = Field(description="Null means every strategy.")
    second_factor: bool = Field(description="Whether the account has one.")
    recovery_codes_left: int
    session_id: str


class SessionAnswer(BaseModel):
    """A login that is live."""

    session_id: str
    started_at: datetime
    expires_at: datetime
    address: str
    agent: str
    second_factor: bool
    present: bool = Field(description="Whether it is the one that asks.")


class SessionsAnswer(BaseModel):
    """The live logins of a user, the first to have started first."""

    sessions: list[SessionAnswer]


class RevokedAnswer(BaseModel):
    """How many logins were ended."""

    revoked: int


class EnrolAnswer(BaseModel):
    """A TOTP secret that is in force once a code of it is shown."""

    secret: str
    otpauth_uri: str


class ConfirmAnswer(BaseModel):
    """Recovery codes, which are shown this once, and the login in the place of the present one."""

    recovery_codes: list[str]
    login: LoginAnswer


class UserAnswer(BaseModel):
    """An account, without what is secret."""

    user_id: str
    name: str
    email: str | None
    roles: list[Role]
    strategies: list[str] | None = Field(description="Null means every strategy.")
    disabled: bool
    has_password: bool
    second_factor: bool
    linked: bool = Field(description="Whether an identity of the provider is linked.")
    failures: int = Field(description="Attempts in a row that failed.")
    locked_until: datetime | None
    created_at: datetime
    updated_at: datetime


class UsersAnswer(BaseModel):
    """Every account, by name."""

    users: list[UserAnswer]


class SetupAnswer(BaseModel):
    """An account and the one-time token with which its user sets a password."""

    user: UserAnswer
    setup_token: str
    expires_at: datetime


class PublicKey(BaseModel):
    """A key with which tokens are verified."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class KeySetAnswer(BaseModel):
    """The keys with which tokens are verified, the present one first."""

    keys: list[PublicKey]
