"""rules: named conditions beside the model, checked, tried on a history, and put in force."""
