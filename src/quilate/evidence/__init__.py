"""Facts, findings and artifacts: what checks leave behind, and the formats it travels in."""
