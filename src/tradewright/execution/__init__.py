"""An order's life, the simulated venue, and how two books are compared."""
