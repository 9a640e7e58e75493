"""Answers to prefer and to avoid: written ones beside the mind's own, and what people rated in their talks."""
