"""GET /api/v1/owner?nonce=...: proves to the command line that this server holds the file whose note it has read.

Anybody may ask; the answer helps only who has the note.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response, jsonify, request

from headscope.analysis.errors import InputError
from headscope.dashboard.services import Services
from headscope.storage import owner, session

NONCE_CHARACTERS = range(16, 129)


def register(server: Flask, services: Services) -> None:
    """Add the route, where there is a note to prove."""
    settings = services.settings
    database = session.database_path(services.store.url) if settings.api_token else None
    if database is None:
        return
    routes = Blueprint("owner_api", __name__, url_prefix="/api/v1/owner")

    @routes.get("")
    def prove() -> Response:
        nonce = request.args.get("nonce", "")
        if len(nonce) not in NONCE_CHARACTERS:
            raise InputError("give a nonce of 16 to 128 characters: the answer is a proof about it.")
        return jsonify({"proof": owner.proof(settings.api_token, nonce, database, settings.url)})

    server.register_blueprint(routes)
