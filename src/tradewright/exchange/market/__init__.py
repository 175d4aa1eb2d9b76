"""The replayed market: time, prints, halts, corporate actions."""
