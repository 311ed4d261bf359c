"""Thin, typed access to the systems outside: no decisions here."""
