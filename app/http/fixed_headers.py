"""Headers that every answer carries, whichever layer gives it: application, guard of the connection, or error.

After the OWASP Secure Headers list; Clear-Site-Data belongs to signing out alone.
"""

from __future__ import annotations

PERMISSIONS_POLICY = (
    ", ".join(
        f"{feature}=()"
        for feature in (
            "accelerometer",
            "autoplay",
            "browsing-topics",
            "camera",
            "clipboard-read",
            "display-capture",
            "encrypted-media",
            "geolocation",
            "gyroscope",
            "hid",
            "idle-detection",
            "local-fonts",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "screen-wake-lock",
            "serial",
            "usb",
            "window-management",
            "xr-spatial-tracking",
        )
    )
    + ", publickey-credentials-create=(self), publickey-credentials-get=(self)"
)

FIXED_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", PERMISSIONS_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-dns-prefetch-control", b"off"),
    (b"x-frame-options", b"DENY"),
    (b"x-permitted-cross-domain-policies", b"none"),
    (b"x-robots-tag", b"noindex, nofollow"),
)

NOT_STORED = (b"cache-control", b"no-store, max-age=0")
NOTHING_LOADS = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
