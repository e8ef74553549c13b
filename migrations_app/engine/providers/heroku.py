"""Heroku Postgres: no traces that prove it, so people choose it."""

from __future__ import annotations

from migrations_app.engine.providers.provider import ParameterPlace, Provider, Tls

OFFLINE_ONLY = "Its users get neither REPLICATION nor wal_level = logical."

HEROKU = Provider(
    key="Heroku_PostgreSQL",
    name="Heroku Postgres",
    schemas=("heroku_ext",),
    source_types=("AWS",),
    administrator="The default credential owns its one database and its tables; it creates no roles and no databases.",
    limits=(
        OFFLINE_ONLY,
        "User, password and host change when Heroku renews them: read them from DATABASE_URL just before the "
        "migration.",
        "Extensions live in the schema heroku_ext, which is not copied.",
    ),
    parameters=ParameterPlace(
        where="nowhere", restart="", reload="", tool="", refusal="Few settings can be changed, with heroku pg:settings."
    ),
    tls=Tls(
        rule="TLS is demanded; certificates are signed by Heroku itself.",
        authority="none that can be fetched",
        verify_full=False,
        advice="Use the TLS mode require: Heroku signs its certificates itself, so none can be verified.",
    ),
    network="Common Runtime answers from everywhere. A Private or Shield database answers inside its space, or where "
    "mutual TLS and allowed addresses are set up: migrate a fork in Common Runtime if the portal cannot be let in.",
    login="Read the connection with heroku pg:credentials:url; the password may have been renewed.",
    can_online=False,
    why_offline_only=OFFLINE_ONLY,
    online="not possible: no logical replication to other servers",
)
