"""What the verbs of the command line do, one file each; `app.cli` only reads arguments and prints."""
