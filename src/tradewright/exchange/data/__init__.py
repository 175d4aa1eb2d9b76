"""Market data in the vendor's words: paths and streams."""
