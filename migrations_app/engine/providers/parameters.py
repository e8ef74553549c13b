"""How a server's parameters are set and a user is let replicate, in the words and with the tool of each provider."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping

from migrations_app.engine.postgres import sql
from migrations_app.engine.providers.provider import Provider, Remedy

# ALTER SYSTEM takes one literal for each element of these; one literal for all would name one library "a,b".
# https://www.postgresql.org/docs/18/sql-altersystem.html, GUC_LIST_QUOTE in src/backend/utils/misc/guc_tables.c
LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)


PLAIN = re.compile(r"-?\d+(\.\d+)?|on|off")


def how_to_set(provider: Provider, settings: Mapping[str, str], *, restart: bool, host: str = "") -> Remedy:
    """Return how to set ``settings`` (PostgreSQL's names to values) on a server of ``provider``.

    Values are written in the parameter's base unit or, on self-hosted servers only, with a unit. ``restart`` tells
    whether the change takes effect at a restart only. ``host`` fills the server's name in where the host name has it.
    The script is SQL for self-hosted kinds, a command of the provider's tool elsewhere, empty where there is none.
    """
    place = provider.parameters
    own = dict(_own(provider, name, value) for name, value in settings.items())
    named = _listed([f"{name} = {value}" for name, value in own.items()])
    if not can_set(provider, settings):
        return Remedy(f"{provider.name} does not let its users set {_listed(list(own))}. {place.refusal}".strip())
    then = place.restart if restart else place.reload
    text = f"Set {named} {place.where}{', ' + then if then else ''}."
    write, language = WRITERS[place.tool]
    script = write(own, restart=restart, server=_server_name(provider, host))
    return Remedy(f"{text} {place.remark}".strip(), script, language)


def can_set(provider: Provider, settings: Iterable[str]) -> bool:
    """Tell whether the provider lets its users set all of these parameters (PostgreSQL's names)."""
    place = provider.parameters
    return not place.refusal and (not place.only or set(settings) <= set(place.only))


def how_to_allow_replication(provider: Provider, user: str) -> Remedy:
    """Return how to let ``user`` make replication slots and read from them."""
    if not provider.can_online:
        return Remedy(f"{provider.name} lets nobody replicate to another provider. {provider.why_offline_only}")
    script = sql.SQL(provider.replication_grant).format(sql.Identifier(user)).as_string()
    text = f"Let {user} replicate: run the script as {_granter(provider)}."
    if provider.self_hosted:
        text += " pg_hba.conf must let the user in from the portal's address for each database that moves."
    return Remedy(text, script)


def _granter(provider: Provider) -> str:
    return "a superuser" if provider.self_hosted else "the server's administrator"


def _own(provider: Provider, name: str, value: str) -> tuple[str, str]:
    """Return a setting under the provider's own name for it."""
    for own in provider.parameters.own:
        if (own.name, own.value) == (name, value):
            return own.own_name, own.own_value
    return name, value


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _server_name(provider: Provider, host: str) -> str:
    """Return the server's own name: the first label of a host name in the provider's domain."""
    return host.split(".")[0] if host and provider.recognizes_host(host) else ""


def _sql(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    lines = [_alter_system(name, value) for name, value in settings.items()]
    return "\n".join(lines if restart else [*lines, "SELECT pg_reload_conf();"])


def _alter_system(name: str, value: str) -> str:
    values = [each.strip() for each in value.split(",")] if name in LISTS else [value]
    return f"ALTER SYSTEM SET {name} = {', '.join(_literal(each) for each in values)};"


def _literal(value: str) -> str:
    return value if PLAIN.fullmatch(value) else sql.Literal(value).as_string()


def _aws(*, group: str, describe: str, modify: str, reboot: str, variable: str) -> Callable[..., str]:
    """Return a writer for one kind of parameter group of Amazon RDS."""

    def write(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
        method = "pending-reboot" if restart else "immediate"
        parameters = [_aws_parameter(name, value, method=method) for name, value in settings.items()]
        lines = [
            f"{variable}={shlex.quote(server or f'the-{variable.lower()}')}",
            f'GROUP=$(aws rds {describe} "${variable}" --output text --query "{group}")',
            f'aws rds {modify} "$GROUP" --parameters ' + " ".join(parameters),
        ]
        return "\n".join([*lines, f'aws rds {reboot} "${variable}"'] if restart else lines)

    return write


def _aws_parameter(name: str, value: str, *, method: str) -> str:
    """Return one parameter in the shorthand of the AWS CLI, which wants quotes of its own around a comma."""
    inner = f"'{value}'" if "," in value else value
    escaped = re.sub(r'(["$`\\])', r"\\\1", inner)
    return f'"ParameterName={name},ParameterValue={escaped},ApplyMethod={method}"'


def _aurora(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    describe = "describe-db-clusters --db-cluster-identifier"
    script = _aws(
        group="DBClusters[0].DBClusterParameterGroup",
        describe=describe,
        modify="modify-db-cluster-parameter-group --db-cluster-parameter-group-name",
        reboot="",
        variable="CLUSTER",
    )(settings, restart=False, server=server)
    if not restart:
        return script
    writer = "DBClusters[0].DBClusterMembers[?IsClusterWriter].DBInstanceIdentifier | [0]"
    return "\n".join(
        [
            script.replace("ApplyMethod=immediate", "ApplyMethod=pending-reboot"),
            f'WRITER=$(aws rds {describe} "$CLUSTER" --output text --query "{writer}")',
            'aws rds reboot-db-instance --db-instance-identifier "$WRITER"',
        ]
    )


def _flags(settings: Mapping[str, str]) -> str:
    """Return gcloud's list of flags; another separator where a value holds a comma: ``gcloud topic escaping``."""
    separator = "~" if any("," in value for value in settings.values()) else ","
    flags = separator.join(f"{name}={value}" for name, value in settings.items())
    return shlex.quote(f"^~^{flags}" if separator == "~" else flags)


def _cloud_sql(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    return (
        "# The list replaces the flags that are set now: add those that shall stay.\n"
        "gcloud sql instances describe INSTANCE --format='value(settings.databaseFlags)'\n"
        f"gcloud sql instances patch INSTANCE --database-flags={_flags(settings)}"
    )


def _alloydb(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    place = "INSTANCE --cluster=CLUSTER --region=REGION"
    return (
        "# The list replaces the flags that are set now: add those that shall stay.\n"
        f"gcloud alloydb instances describe {place} --format='value(databaseFlags)'\n"
        f"gcloud alloydb instances update {place} --database-flags={_flags(settings)}"
    )


def _az(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    sets = [
        'az postgres flexible-server parameter set --resource-group "$GROUP" --server-name "$SERVER" '
        f"--name {name} --value {shlex.quote(value)}"
        for name, value in settings.items()
    ]
    lines = [
        f"SERVER={shlex.quote(server or 'the-server')}",
        "GROUP=$(az postgres flexible-server list --query \"[?name=='$SERVER'].resourceGroup\" --output tsv)",
        *sets,
    ]
    again = 'az postgres flexible-server restart --resource-group "$GROUP" --name "$SERVER"'
    return "\n".join([*lines, again] if restart else lines)


def _az_single(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    place = f"--resource-group GROUP --server-name {shlex.quote(server or 'SERVER')}"
    sets = [
        f"az postgres server configuration set {place} --name {name} --value {shlex.quote(value)}"
        for name, value in settings.items()
    ]
    again = f"az postgres server restart --resource-group GROUP --name {shlex.quote(server or 'SERVER')}"
    return "\n".join([*sets, again] if restart else sets)


def _avn(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    options = " ".join(f"-c pg.{name}={shlex.quote(value)}" for name, value in settings.items())
    return f"avn service update SERVICE {options}"


def _cb(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    values = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    lines = [f"cb config-param set --cluster CLUSTER {values}"]
    return "\n".join([*lines, "cb restart CLUSTER"] if restart else lines)


def _supabase(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    options = " ".join(f"--config {name}={shlex.quote(value)}" for name, value in settings.items())
    return f"supabase postgres-config update --project-ref PROJECT {options}"


def _console(settings: Mapping[str, str], *, restart: bool, server: str) -> str:
    return ""


WRITERS: dict[str, tuple[Callable[..., str], str]] = {
    "sql": (_sql, "sql"),
    "aws-instance": (
        _aws(
            group="DBInstances[0].DBParameterGroups[0].DBParameterGroupName",
            describe="describe-db-instances --db-instance-identifier",
            modify="modify-db-parameter-group --db-parameter-group-name",
            reboot="reboot-db-instance --db-instance-identifier",
            variable="INSTANCE",
        ),
        "shell",
    ),
    "aws-cluster": (
        _aws(
            group="DBClusters[0].DBClusterParameterGroup",
            describe="describe-db-clusters --db-cluster-identifier",
            modify="modify-db-cluster-parameter-group --db-cluster-parameter-group-name",
            reboot="reboot-db-cluster --db-cluster-identifier",
            variable="CLUSTER",
        ),
        "shell",
    ),
    "aws-aurora": (_aurora, "shell"),
    "gcloud-sql": (_cloud_sql, "shell"),
    "gcloud-alloydb": (_alloydb, "shell"),
    "az": (_az, "shell"),
    "az-single": (_az_single, "shell"),
    "avn": (_avn, "shell"),
    "cb": (_cb, "shell"),
    "supabase": (_supabase, "shell"),
    "": (_console, "shell"),
}
