"""The vocabulary: what can be said about markets, orders and money, and nothing that acts."""
