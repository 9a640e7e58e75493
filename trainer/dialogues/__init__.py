"""Conversations to fine-tune on: read in many shapes, filtered, split, rendered with the mask of what is learned."""
