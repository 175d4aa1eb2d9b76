"""Alembic's folder: `env.py` is its entry, `versions` holds one file a revision."""
