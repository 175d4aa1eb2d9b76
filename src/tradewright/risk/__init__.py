"""What may be sent: limits, checks and the gate."""
