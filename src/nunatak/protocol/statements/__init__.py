"""Running statements over HTTP: submit, wait, watch, cancel."""
