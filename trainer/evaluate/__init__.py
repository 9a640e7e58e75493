"""The report card of a mind that answers: asked through the runtime's own engine, so that what ships is judged."""
