"""Where events and leads come from: files, a watched folder, HTTP. Everything is handed on raw, page by page."""
