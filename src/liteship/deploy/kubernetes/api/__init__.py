"""The API server: what it is asked, and what it refuses."""
