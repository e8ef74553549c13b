"""The arguments of online migration: how changes are followed, and what may be asked of a followed database."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, _ArgumentGroup
from collections.abc import Callable
from typing import Any

from migrations_app.cli import argument_types as types
from migrations_app.cli.subcommand import Subcommand
from migrations_app.engine.spec import ApplyChoice, OnlineOptions, VerificationLevel, WithoutIdentity

DEFAULTS = OnlineOptions()
REHEARSE = Subcommand(
    "rehearse",
    "say how long a cutover would take now",
    "Try what can be tried of the cutover of an online migration on both servers, estimate the rest, and say how long "
    "writes would be blocked. Nothing is closed. After a cutover with a way back, the way back is rehearsed.",
)
CUTOVER = Subcommand(
    "cutover",
    "cut over an online migration",
    "Block writes on the source, apply the rest, compare, and open the target. Whatever fails, or takes longer than "
    "--cutover-timeout, is undone, and the source is open again. Without --database every database is cut over, and "
    "none if one of them is not caught up. With --wait, exit code 1 if it was undone.",
)
PAUSE = Subcommand(
    "pause",
    "pause the replication of an online migration",
    "Stop applying changes. The slot on the source keeps them, and holds back its log meanwhile.",
)
CONTINUE = Subcommand(
    "continue",
    "continue replication after a pause or an error",
    "Apply changes again, after a pause, or after the cause of an error was removed.",
)
MEND = Subcommand(
    "apply-change",
    "apply a change of the source's definitions to the target",
    "Run on the target what a finding PM4033 or PM4037 offers: a column, a table or a value that was made, changed or "
    "dropped on the source while it is followed. What was written before the change is applied first.",
)
GO_BACK = Subcommand(
    "go-back",
    "go back to the source after a cutover",
    "Block writes on the target, apply what was written there since the cutover to the old source, and open that "
    "again. It takes a migration that was created with --fall-back.",
)
FINISH = Subcommand(
    "finish",
    "give up the way back, and remove everything that was made for it",
    "End an online migration with a way back: slots, publications, subscriptions and the heartbeat are removed from "
    "both servers. The old source stays closed, so that no application writes there unseen; the event log says how to "
    "open it by hand, and --reopen-source opens it now.",
)
CLEAN_UP = Subcommand(
    "clean-up",
    "clean up both servers again after the end of an online migration",
    "Remove from both servers what the migration made there and may be left: slots, publications, subscriptions, "
    "origins, event triggers and our schema; and say what was removed and what is left. An old source that a cutover "
    "closed stays closed, and no copy is dropped. With --wait, exit code 1 if anything is left.",
)
ASKING = (REHEARSE, CUTOVER, PAUSE, CONTINUE, MEND, GO_BACK, FINISH)
VERIFYING = (REHEARSE, CUTOVER, GO_BACK)


def add_asking(add: Callable[[Subcommand], ArgumentParser], add_waiting: Callable[..., None]) -> None:
    """Add the subcommands that ask for something; ``add`` makes a parser with a migration's name."""
    for subcommand in ASKING:
        parser = add(subcommand)
        parser.add_argument("--database", metavar="SOURCE", help="only this database")
        if subcommand is MEND:
            parser.add_argument(
                "--subject", required=True, metavar="OBJECT", help="as the finding names it: 'table public.orders'"
            )
            parser.add_argument(
                "--may-drop", action="store_true", help="also where the script drops a column or a table of the target"
            )
        if subcommand in VERIFYING:
            words = [level.value for level in VerificationLevel]
            parser.add_argument(
                "--verification",
                choices=words,
                metavar="|".join(words),
                help="how both sides are compared while writes are blocked (default as the migration was created)",
            )
        if subcommand is FINISH:
            parser.add_argument(
                "--reopen-source",
                action="store_true",
                help="open the old source to writers again; what they write there is on no other server",
            )
        add_waiting(parser, help_text="wait until it was done, or refused, and say how it went")


def add_online(group: _ArgumentGroup, add_choice: Callable[..., None]) -> None:
    """Add what ``create`` and ``validate`` take for the mode Online."""
    add_choice(
        group,
        "--apply",
        ApplyChoice,
        "who carries the changes: server_to_server, a subscription on the target; through_portal; auto asks the "
        "servers what they allow (default auto)",
        default=DEFAULTS.apply.value,
    )
    group.add_argument(
        "--source-as-seen-by-target",
        type=_seen_address,
        metavar="HOST:PORT",
        help="where the target reaches the source, if at another address than this portal",
    )
    add_choice(
        group,
        "--without-identity",
        WithoutIdentity,
        "tables without a primary key or replica identity: copy_at_cutover; full sets REPLICA IDENTITY FULL on the "
        "source until the end; inserts_only (default copy_at_cutover)",
        default=DEFAULTS.without_identity.value,
    )
    group.add_argument(
        "--no-heartbeat",
        action="store_true",
        help="make no schema of ours on the source; the lag is known in bytes only then",
    )
    group.add_argument(
        "--sequence-headroom",
        type=_headroom,
        default=DEFAULTS.sequence_headroom,
        metavar="N",
        help="how many values each sequence skips at the cutover (default %(default)s)",
    )
    group.add_argument(
        "--cutover-timeout",
        type=_timeout,
        default=DEFAULTS.cutover_seconds,
        metavar="SECONDS",
        help="undo a cutover that takes longer (default %(default)s)",
    )
    add_choice(
        group,
        "--cutover-verification",
        VerificationLevel,
        "how both sides are compared while writes are blocked (default counts)",
        default=DEFAULTS.cutover_verification.value,
    )
    group.add_argument(
        "--fall-back", action="store_true", help="keep a way back to the source after the cutover, until finish"
    )
    group.add_argument(
        "--retained-wal",
        type=types.size,
        default=DEFAULTS.retained_wal_bytes,
        metavar="SIZE",
        help="warn when the slot holds back more of the source's log than this (default 10GB)",
    )
    group.add_argument(
        "--lag-alarm",
        type=_alarm,
        default=DEFAULTS.lag_alarm_seconds,
        metavar="SECONDS",
        help="warn when what is applied is older, after it has caught up once (default %(default)s)",
    )
    group.add_argument(
        "--room-alarm",
        type=_alarm,
        default=DEFAULTS.room_alarm_seconds,
        metavar="SECONDS",
        help="warn when the room for the source's log lasts less than this (default %(default)s)",
    )
    group.add_argument(
        "--protect-source",
        action="store_true",
        help="give up the slot before the source's disk is full; the migration fails, and the source goes on",
    )
    group.add_argument(
        "--give-up-at",
        type=types.size,
        metavar="SIZE",
        help="with --protect-source: give up the slot when it holds back more (default twice --retained-wal)",
    )
    group.add_argument(
        "--warn-after-days",
        type=_days,
        default=DEFAULTS.warn_after_days,
        metavar="N",
        help="remind when the migration takes longer; nothing is ended; 0 never (default %(default)s)",
    )
    group.add_argument(
        "--warn-cutover-days",
        type=_days,
        default=DEFAULTS.warn_cutover_days,
        metavar="N",
        help="remind when it waits for its cutover longer; nothing is ended; 0 never (default %(default)s)",
    )


def online_options(arguments: dict[str, Any]) -> OnlineOptions:
    """Return what the arguments say."""
    return OnlineOptions(
        apply=ApplyChoice(arguments["apply"]),
        without_identity=WithoutIdentity(arguments["without_identity"]),
        heartbeat=not arguments["no_heartbeat"],
        source_as_seen_by_target=arguments["source_as_seen_by_target"] or "",
        sequence_headroom=arguments["sequence_headroom"],
        cutover_seconds=arguments["cutover_timeout"],
        cutover_verification=VerificationLevel(arguments["cutover_verification"]),
        fall_back=arguments["fall_back"],
        retained_wal_bytes=arguments["retained_wal"],
        lag_alarm_seconds=arguments["lag_alarm"],
        room_alarm_seconds=arguments["room_alarm"],
        protect_source=arguments["protect_source"],
        give_up_wal_bytes=arguments["give_up_at"] or 2 * arguments["retained_wal"],
        warn_after_days=arguments["warn_after_days"],
        warn_cutover_days=arguments["warn_cutover_days"],
    )


def _seen_address(text: str) -> str:
    address = types.server(text)
    if not address.host or address.user:
        raise ArgumentTypeError("not an address: write host:port, for example 10.0.4.7:5432.")
    return address.host_and_port


def _headroom(text: str) -> int:
    if not text.isdecimal() or int(text) > 1_000_000_000:
        raise ArgumentTypeError(f"{text!r} is not a number from 0 to 1000000000.")
    return int(text)


def _alarm(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 30 * 86_400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to {30 * 86_400}.")
    return int(text)


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) > 365:
        raise ArgumentTypeError(f"{text!r} is not a number of days from 0 to 365.")
    return int(text)


def _timeout(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 86_400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to 86400.")
    return int(text)
