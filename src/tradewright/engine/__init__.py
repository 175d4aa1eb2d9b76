"""The four verbs composed, and the shell that runs them live."""
