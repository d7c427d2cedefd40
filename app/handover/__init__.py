"""From public complaint to private room: guarded public reply, case link, and the register of genuine replies."""
