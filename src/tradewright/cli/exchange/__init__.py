"""The commands of the rehearsal exchange."""
