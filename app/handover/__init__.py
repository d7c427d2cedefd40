"""From public complaint to private room: the guarded public reply, its case link, and the register of genuine replies."""
