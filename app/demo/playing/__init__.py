"""The story of the demo played over HTTP: people with their browsers, the steps, and what each must show."""
