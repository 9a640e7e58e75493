"""Texts as documents: where they come from, what is cleaned off them, and which of them stay."""
