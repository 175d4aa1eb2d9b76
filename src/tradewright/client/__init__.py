"""The client of our own services: how they call each other, and how people's tools call them."""

from tradewright.client.calls import Call, ServiceClient, Terms
from tradewright.client.logins import LoginClient, UsersClient

__all__ = ["Call", "LoginClient", "ServiceClient", "Terms", "UsersClient"]
