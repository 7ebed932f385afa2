"""All that plugins may import.

``checks``: what a check is made of. ``connectors``: what a connector is made of. ``service``: words that both share
with the service. ``testing``: runs a plugin's parts in its own tests. Each module imports only what it needs, and its
``__all__`` is the whole of what stays.
"""
