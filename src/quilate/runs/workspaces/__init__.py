"""Where checks of the service find the files that they judge."""
