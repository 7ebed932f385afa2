"""Scripts chained into pipelines of pure steps: versions composed into one version (A20)."""
