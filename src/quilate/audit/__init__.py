"""The append-only log: who did what when, as a Merkle tree whose every change is noticed."""
