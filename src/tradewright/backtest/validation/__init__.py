"""How far a backtest may be believed: leaks, luck, overfitting, weather and size."""
