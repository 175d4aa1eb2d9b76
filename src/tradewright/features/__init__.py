"""Pure functions of past columns, computed once over a frame."""
