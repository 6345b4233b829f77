"""The console: what administrators sign in to and click through, rendered here as HTML that works without scripts.

Pages call the same endpoints' methods as the HTTP API does, so that there is one place for every rule; the console adds
sessions (`visitors`), forms (`forms`) and looks (`layout`, the templates, the static files).
"""
