"""The page of jobs: what waits, what runs, what ended last (A19); the panel takes its place over."""
