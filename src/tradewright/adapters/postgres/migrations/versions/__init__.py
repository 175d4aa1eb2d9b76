"""The revisions, each with its SQL beside it."""
