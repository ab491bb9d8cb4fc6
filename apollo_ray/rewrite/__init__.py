"""Passages in, question-answer conversations out, written by an engine and checked before they are believed."""
