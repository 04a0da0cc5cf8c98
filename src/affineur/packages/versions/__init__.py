"""The order of versions, one module for each package manager's."""
