"""Learning from the past: splits in which nothing that is tested was learned from."""
