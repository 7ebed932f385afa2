"""What a provider's answer means for a delivery; it lies lower down, so that connectors of plugins have it as well."""

from quilate.deliveries.answers import require_success, retry_after

__all__ = ["require_success", "retry_after"]
