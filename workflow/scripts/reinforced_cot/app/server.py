"""Serves the page to browsers of this machine alone. Nothing is sent or fetched from elsewhere, by the page neither."""

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from reinforced_cot.errors import PipelineError

LOOPBACK = "127.0.0.1"
MAX_UPLOAD = "50mb"
# The browser itself refuses every other origin, whatever the page holds. Gradio's page needs inline scripts and `eval`.
POLICY = "; ".join(
    [
        "default-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'self'",
    ]
)


def listening(port: int) -> socket.socket:
    """A socket on the loopback.

    Args:
        port: 0 for any that is free.

    Raises:
        PipelineError: the port is taken, or may not be used.
    """
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((LOOPBACK, port))
    except OSError as error:
        taken.close()
        raise PipelineError(f"port {port} cannot be used ({error.strerror}): make app PORT={port + 1}") from None
    taken.listen()
    return taken


def serve(page: gr.Blocks, taken: socket.socket) -> None:
    """Serve the page until Ctrl-C."""
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def guarded(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    # A page of elsewhere whose name was made to mean this machine (DNS rebinding) gets nothing.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    # The theme's own fonts would be fetched.
    theme = gr.themes.Default(font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace"))
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=LOOPBACK,
        footer_links=[],
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        theme=theme,
        css_paths=[Path(__file__).with_name("page.css")],
    )
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[taken])
