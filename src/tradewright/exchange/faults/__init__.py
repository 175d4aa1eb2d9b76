"""Scripted faults of the rehearsal exchange: what may go wrong, when, and making it go wrong."""
