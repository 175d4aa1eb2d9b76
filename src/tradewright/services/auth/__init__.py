"""The auth service: logins, sessions, second factors, accounts and the public keys."""

from tradewright.services.auth.app import spec

__all__ = ["spec"]
