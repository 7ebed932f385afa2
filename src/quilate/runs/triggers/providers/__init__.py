"""What each provider's deliveries say: one file each, from its documented payload to ``EventFacts``."""
