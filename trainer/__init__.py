"""Grows a mind: text -> tokens -> checkpoint -> `.mind`."""
