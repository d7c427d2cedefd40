"""What must hold before a bank goes live, one file for each part of an installation; `app.doctor` asks them all."""
