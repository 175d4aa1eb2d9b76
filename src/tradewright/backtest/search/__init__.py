"""Parameter search: what is tried, by which sampler, what it came to, and how it is kept."""
