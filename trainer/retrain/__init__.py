"""`retrain`: learns again from the store, as the bundle in use did, and puts what comes of it beside that one."""
