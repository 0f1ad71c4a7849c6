"""Pages as answers: under headers that let them load nothing from anywhere else, and run nothing.

Spec: Content Security Policy Level 3 (W3C).
"""

from translog.server.answers import Header, Scope
from translog.server.documents import BY_ACCEPT, Document
from translog.server.negotiation import HTML

MEDIA_TYPE = f"{HTML}; charset=utf-8"

# No script at all, nothing from elsewhere, and no other page around it.
SECURITY: tuple[Header, ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        b" base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)


def page_document(body: bytes, *, changed_at: int | None = None) -> Document:
    """Return a page for who asked for one."""
    return Document(body, MEDIA_TYPE, *SECURITY, changed_at=changed_at, vary=BY_ACCEPT)


def root_of(scope: Scope) -> str:
    """Return what leads from a request's path to the root: pages have only relative links."""
    # Of the path as it was sent: %2F is no slash to a browser.
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return "../" * (raw.partition(b"?")[0].count(b"/") - 1)
