"""Answers of pages whose link is their authority: nothing keeps them, frames them or learns their address."""

import base64
import hashlib
from http import HTTPStatus

from litestar import MediaType, Response


def answer(html: str, status: HTTPStatus, *, policy: str, **headers: str) -> Response[str]:
    """`policy` is the content security policy; `headers` are added to those of every such page."""
    return Response(
        html,
        status_code=int(status),
        media_type=MediaType.HTML,
        headers={
            "content-security-policy": policy,
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            **headers,
        },
    )


def source_of(style: str) -> str:
    """What a policy names to allow exactly this inline style sheet (CSP level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
