"""Sources of text: each is a function that yields documents."""
