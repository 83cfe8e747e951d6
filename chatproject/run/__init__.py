"""``make run``: everything of the Procfile under one small supervisor that holds no Django itself."""
