"""Orders at the exchange: their rules, classes, fates and paths."""
