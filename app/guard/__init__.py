"""The leak guard: reads a public reply before it leaves, and says what data class a room message may carry."""
