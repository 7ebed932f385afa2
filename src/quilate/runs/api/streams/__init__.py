"""Live streams of runs and logs."""
