"""Dead letters over HTTP: list, inspect, replay."""
