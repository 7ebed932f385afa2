"""Exports of outputs: what a submission asks to become of its result, carried out once the execution has completed."""
