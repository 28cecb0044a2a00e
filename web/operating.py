"""The operator's pages: shown on the machine itself, and nowhere else."""

from __future__ import annotations

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from db.migrate import require_head
from web.door import door_of, is_from_this_machine
from web.rendering import page

# The report is one file with its own style and drawings; it runs nothing and loads nothing.
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"


async def health(request: Request) -> Response:
    """Whether the door can do its work: its database answers and has this code's revision."""
    await run_in_threadpool(require_head, door_of(request).database)
    return JSONResponse({"status": "ok"})


async def front_page(request: Request) -> Response:
    """Where to look next."""
    if not is_from_this_machine(request):
        return PlainTextResponse("Nothing to see here.", 404)
    door = door_of(request)
    return page(
        "front.html",
        project=door.settings.project.name,
        home=str(door.settings.home),
        prefect_url=door.prefect_url,
        has_report=door.report.is_file(),
        takes_events=bool(door.webhook_secrets),
    )


async def report(request: Request) -> Response:
    """The latest report, when one was written."""
    path = door_of(request).report
    if not is_from_this_machine(request) or not path.is_file():
        return PlainTextResponse("Nothing to see here.", 404)
    return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": _REPORT_POLICY})
