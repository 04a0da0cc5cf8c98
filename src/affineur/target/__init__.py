"""Where images are put: registries, layouts, archives and folders, written so that nothing broken is ever named."""
