"""Commands in comments of pull requests: waivers asked for and decided where the change is talked about."""
