"""What is held, what it is worth, what trading costs, and which orders close the gap."""
