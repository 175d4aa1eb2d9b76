"""The ports' answers in the world: databases, files, venues; chosen in `bootstrap` alone."""
