"""Checks of brokers and of certificates."""
