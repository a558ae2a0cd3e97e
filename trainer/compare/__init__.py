"""compare: two bundles on one file, at equal work."""
