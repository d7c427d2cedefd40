"""The bank's customer directory: who has which phone, e-mail and customer number. A port; the data is not ours."""
