"""Checks the reader of the configuration with documents that hypothesis makes."""
