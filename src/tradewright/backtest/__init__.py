"""The engine over replayed history, and its report."""
