"""Open orders when the market or its rules change under them."""
