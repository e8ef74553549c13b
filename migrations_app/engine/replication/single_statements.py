"""The statements that apply one change to one row, with ``$1`` … for its values; they keep the order of the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from migrations_app.engine.postgres import Connection, sql
from migrations_app.engine.postgres.apply_session import SmallStatement
from migrations_app.engine.replication.apply_statements import AND, COMMA, TABLE
from migrations_app.engine.replication.pgoutput import DELETE, INSERT, UNCHANGED, Change, Row
from migrations_app.engine.replication.subscriber_table import Matching, SubscriberTable

_OLD = sql.Identifier("old")
_SEARCHED = sql.Identifier("s")


@dataclass(frozen=True)
class _Template:
    """A statement and where its values come from: the row before (True) or after the change, and the column."""

    text: bytes
    types: tuple[int, ...]
    picks: tuple[tuple[bool, int], ...]

    def filled(self, before: Row, after: Row) -> SmallStatement:
        values = [before[index] if from_before else after[index] for from_before, index in self.picks]
        return SmallStatement(self.text, self.types, values)


class _Values:
    """Numbers the values of a statement while it is written."""

    def __init__(self, table: SubscriberTable) -> None:
        self.table = table
        self.picks: list[tuple[bool, int]] = []

    def before(self, index: int) -> sql.SQL:
        """Return the placeholder of a value of the row as it was."""
        return self._add(True, index)

    def after(self, index: int) -> sql.SQL:
        """Return the placeholder of a value of the row as it is."""
        return self._add(False, index)

    def _add(self, from_before: bool, index: int) -> sql.SQL:
        self.picks.append((from_before, index))
        placeholder = "$" + str(len(self.picks))
        return sql.SQL(placeholder)

    def template(self, text: sql.Composed, connection: Connection) -> _Template:
        """Return the finished statement."""
        types = tuple(self.table.columns[index].type_oid for _, index in self.picks)
        return _Template(text.as_bytes(connection), types, tuple(self.picks))


class SingleStatements:
    """Builds statements for the changes of one table; their texts are kept, as they repeat."""

    def __init__(self, table: SubscriberTable, connection: Connection) -> None:
        self._table = table
        self._connection = connection
        self._names = [sql.Identifier(name) for name in table.relation.columns]
        self._templates: dict[object, _Template] = {}

    def of(self, change: Change) -> SmallStatement:
        """Return the statement for a change that is no TRUNCATE."""
        kind, _, old, new = change
        if kind == INSERT:
            return self._template("insert", self._insert).filled(new, new)
        if kind == DELETE:
            return self._template("delete", self._delete).filled(old, old)
        before = new if old is None else old
        sent = tuple(index for index, value in enumerate(new) if value is not UNCHANGED)
        if self._must_replace(old, new):
            return self._template(("replace", sent), lambda values: self._replace(sent, values)).filled(before, new)
        return self._template(("update", sent), lambda values: self._update(sent, values)).filled(before, new)

    def _template(self, shape: object, write: Callable[[_Values], sql.Composed]) -> _Template:
        found = self._templates.get(shape)
        if found is None:
            values = _Values(self._table)
            found = self._templates[shape] = values.template(write(values), self._connection)
        return found

    def _must_replace(self, old: Row | None, new: Row) -> bool:
        """Tell whether a column may have changed that an UPDATE may only set to DEFAULT."""
        relation = self._table.relation
        for index in self._table.always_identities:
            if relation.is_full or index in relation.key:
                if old is not None and new[index] != old[index]:
                    return True
            else:
                return True  # what it was is not sent
        return False

    def _insert(self, values: _Values) -> sql.Composed:
        if not self._names:
            return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(self._table.name)
        given = COMMA.join([values.after(index) for index in range(len(self._names))])
        return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
            self._table.name, COMMA.join(self._names), given
        )

    def _delete(self, values: _Values) -> sql.Composed:
        return sql.SQL("DELETE FROM {} AS {} WHERE {}").format(self._table.exactly, TABLE, self._found(values))

    def _update(self, sent: Sequence[int], values: _Values) -> sql.Composed:
        settable = [index for index in sent if not self._table.columns[index].always_identity]
        assignments = COMMA.join(
            [sql.SQL("{} = {}").format(self._names[index], values.after(index)) for index in settable]
        )
        form = sql.SQL("UPDATE {} AS {} SET {} WHERE {}" if settable else "SELECT FROM {} AS {} {} WHERE {}")
        return form.format(self._table.exactly, TABLE, assignments, self._found(values))

    def _replace(self, sent: Sequence[int], values: _Values) -> sql.Composed:
        """Delete the row and insert it again: only an INSERT may give an identity that is always generated."""
        items = [
            values.after(index) if index in sent else sql.SQL("{}.{}").format(_OLD, name)
            for index, name in enumerate(self._names)
        ]
        form = sql.SQL(
            "WITH {old} AS (DELETE FROM {exactly} AS {t} WHERE {where} RETURNING {t}.*) "
            "INSERT INTO {name} ({names}) OVERRIDING SYSTEM VALUE SELECT {items} FROM {old}"
        )
        return form.format(
            old=_OLD,
            exactly=self._table.exactly,
            t=TABLE,
            name=self._table.name,
            names=COMMA.join(self._names),
            items=COMMA.join(items),
            where=self._found(values),
        )

    def _found(self, values: _Values) -> sql.Composed:
        return self._by_key(values) if self._table.matching is Matching.KEY else self._by_image(values)

    def _by_key(self, values: _Values) -> sql.Composed:
        conditions = []
        for index, operator in zip(self._table.key, self._table.operators, strict=True):
            column = sql.SQL("{}.{}").format(TABLE, self._names[index])
            value = values.before(index)
            if operator is None:
                conditions.append(_equal_texts(column, value))
            else:
                schema, name = sql.Identifier(operator[0]), sql.SQL(operator[1])
                conditions.append(sql.SQL("{} OPERATOR({}.{}) {}").format(column, schema, name, value))
        return AND.join(conditions)

    def _by_image(self, values: _Values) -> sql.Composed:
        """One row of those that have all of these values, wherever it lies."""
        conditions = AND.join(
            [
                _equal_texts(sql.SQL("{}.{}").format(_SEARCHED, name), values.before(index))
                for index, name in enumerate(self._names)
            ]
        )
        return sql.SQL(
            "({t}.tableoid, {t}.ctid) = (SELECT {s}.tableoid, {s}.ctid FROM {exactly} AS {s} WHERE {where} LIMIT 1)"
        ).format(t=TABLE, s=_SEARCHED, exactly=self._table.exactly, where=conditions)


def _equal_texts(column: sql.Composable, value: sql.Composable) -> sql.Composed:
    """Compare as text, which every type has; that is the same to the byte, and a NULL equals a NULL."""
    form = sql.SQL('({})::text COLLATE "C" IS NOT DISTINCT FROM ({})::text COLLATE "C"')
    return form.format(column, value)
