"""What a series of equity says."""
