"""The commands of the services: how they run, and their users, records and settings."""
