"""The face in a browser: a page, and an API that speaks OpenAI's language. Imported only when it is asked for."""
