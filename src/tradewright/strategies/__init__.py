"""Rules that turn a view of the past into targets."""
