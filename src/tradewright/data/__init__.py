"""Market data: calendars, histories, adjustment and quality; nothing here reads a file."""
