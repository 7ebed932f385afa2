"""Who saw which evidence, when."""
