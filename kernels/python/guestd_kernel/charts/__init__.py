"""Matplotlib figures as data (`e2b/chart`). Imports matplotlib, so it is itself imported with the first figure."""
