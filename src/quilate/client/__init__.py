"""A typed client of the service, for the command line and for programs."""
