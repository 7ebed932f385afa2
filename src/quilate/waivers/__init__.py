"""Waivers: accepted exceptions, from the project file and from comments in code."""
