"""The account: margin, permissions, positions, activities, assets, hours and paths."""
