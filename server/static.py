"""The pages' own files; a URL with the content's hash never changes."""

from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Static(StaticFiles):
    """Files with long caching where the URL names their hash (`?v=`), revalidation otherwise."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, 304 or 404.

        Granian would send the file past the middleware that compresses (`http.response.pathsend`).
        """
        extensions = {k: v for k, v in scope.get("extensions", {}).items() if k != "http.response.pathsend"}
        scope["extensions"] = extensions
        response: Any = await super().get_response(path, scope)
        hashed = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response
