"""Readers of data files: every cell as the text that stands in the file, with its record and line."""
