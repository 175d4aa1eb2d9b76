"""The services: routes over the rooms below, and the one frame that they all stand in."""
