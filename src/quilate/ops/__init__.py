"""What an operator asks: health, key figures."""
