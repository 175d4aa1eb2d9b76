"""The commands of parameter search."""
