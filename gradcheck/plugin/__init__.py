"""The work of the pytest plugin, a theme per file; `gradcheck.pytest_plugin` holds the hooks."""
