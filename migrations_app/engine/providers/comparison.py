"""Compare the kind of server that somebody chose with the kind that answers."""

from __future__ import annotations

from migrations_app.engine.providers.provider import Provider

# Who chose these said nothing about a service: the default, and "another PostgreSQL".
UNSPECIFIC = ("OnPremises", "Other")


def differs(chosen: Provider, detected: Provider) -> bool:
    """Tell whether the server is of another kind than was chosen; both may be right where one leaves no traces."""
    return not (detected.accepts(chosen.key) or chosen.accepts(detected.key))


def is_harmless(chosen: Provider) -> bool:
    """Tell whether nothing was expected of the server that it may not be."""
    return chosen.key in UNSPECIFIC


def effective(chosen: Provider, detected: Provider | None) -> Provider:
    """Return whose rules hold: the detected provider's, or the chosen one's where the server shows no traces."""
    if detected is None or (detected.self_hosted and detected.accepts(chosen.key)):
        return chosen
    return detected


def difference_in_words(chosen: Provider, detected: Provider) -> str:
    """Say what was chosen and what answers."""
    if detected.self_hosted and not chosen.self_hosted:
        return f"{chosen.name} was chosen, but the server shows none of its traces: it looks self-hosted."
    return f"{chosen.name} was chosen, but this looks like {detected.name}."
