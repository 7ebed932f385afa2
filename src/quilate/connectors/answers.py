"""What a provider's answer means for a delivery; it lies lower down, so that connectors of plugins have it as well."""

from quilate.deliveries.answers import json_object, json_objects, require_success, retry_after

__all__ = ["json_object", "json_objects", "require_success", "retry_after"]
