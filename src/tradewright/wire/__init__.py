"""The outside words: one copy of each shape and name, for servers and clients alike."""
