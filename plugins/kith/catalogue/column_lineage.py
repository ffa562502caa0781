"""From which columns a model's columns come, read from its compiled SQL.

A column's origins are the columns whose values its own is computed of, as far as the
tables that the SQL names. What merely decides which rows there are (joins, filters,
groups) is no origin. Where only rows are counted, the origin is the table, with `*` as
its column.
"""

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope
from sqlglot.schema import MappingSchema

DIALECT = "duckdb"
ROWS = "*"

Origin = tuple[str, str]  # `<schema>.<table>` and column
# By column: where it comes from, and whether on the way it is only renamed.
Origins = dict[str, tuple[frozenset[Origin], bool]]

# What counts rows where it names no column.
_AGGREGATES = (exp.AggFunc, exp.RowNumber)


def schema_of(columns: dict[str, dict[str, list[str]]]) -> MappingSchema:
    """What sqlglot has to know: by schema and table the columns, in their order."""
    return MappingSchema(
        {
            schema: {
                table: dict.fromkeys(names, "text") for table, names in tables.items()
            }
            for schema, tables in columns.items()
        },
        dialect=DIALECT,
    )


def origins_of(compiled: str, schema: MappingSchema) -> Origins:
    """Return the origins of each column that a query gives.

    Raises sqlglot.errors.SqlglotError where the SQL cannot be read.
    """
    tree = sqlglot.parse_one(compiled, dialect=DIALECT)
    for table in tree.find_all(exp.Table):
        table.set("catalog", None)  # One warehouse: its name would be of no use.
    tree = qualify(
        tree,
        dialect=DIALECT,
        schema=schema,
        validate_qualify_columns=False,
        quote_identifiers=False,
        identify=False,
    )
    scope = build_scope(tree)
    if scope is None:
        raise sqlglot.errors.SqlglotError("this is no query")
    reader = _Reader()
    return {name: reader.column(scope, name) for name in _selected(scope)}


class _Reader:
    """Follows columns through the scopes of one query."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[frozenset[Origin], bool]] = {}
        self._counted: dict[int, frozenset[str]] = {}

    def column(self, scope: Scope, name: str) -> tuple[frozenset[Origin], bool]:
        key = (id(scope), name)
        if key not in self._known:
            self._known[key] = (frozenset(), True)  # A recursive query ends here.
            self._known[key] = self._column(scope, name)
        return self._known[key]

    def _column(self, scope: Scope, name: str) -> tuple[frozenset[Origin], bool]:
        if isinstance(scope.expression, exp.SetOperation):
            names = _selected(scope)
            parts = []
            for branch in scope.set_operation_scopes:
                theirs = _selected(branch)
                if scope.expression.args.get("by_name"):
                    own = name if name in theirs else None
                else:
                    at = names.index(name)
                    own = theirs[at] if at < len(theirs) else None
                if own is not None:
                    parts.append(self.column(branch, own))
            return _joined(parts)
        if not isinstance(scope.expression, exp.Select):
            # What a function of tables gives, such as unnest, comes of its arguments.
            return self._expression(scope, scope.expression)
        for selected in scope.expression.selects:
            if selected.alias_or_name == name:
                return self._expression(scope, selected)
        return frozenset(), False

    def _expression(
        self, scope: Scope, expression: exp.Expr
    ) -> tuple[frozenset[Origin], bool]:
        bare = expression.unalias()
        if isinstance(bare, exp.Column):
            return self._referred(scope, bare)
        subqueries = {id(each.expression): each for each in scope.subquery_scopes}
        found: set[Origin] = set()
        is_counted = False
        pending = [bare]
        while pending:
            node = pending.pop()
            if inner := subqueries.get(id(node)):
                for name in _selected(inner):
                    found |= self.column(inner, name)[0]
            elif isinstance(node, exp.Column):
                found |= self._referred(scope, node)[0]
            else:
                is_counted |= isinstance(node, _AGGREGATES)
                pending += _valued(node)
        if is_counted and not found:
            found = {(table, ROWS) for table in self._tables(scope)}
        return frozenset(found), False

    def _referred(
        self, scope: Scope, column: exp.Column
    ) -> tuple[frozenset[Origin], bool]:
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table) and source.db:
            return frozenset({(f"{source.db}.{source.name}", column.name)}), True
        if isinstance(source, exp.Table):
            # A step that is pivoted; else a function such as range(), which makes its
            # values itself.
            step = scope.cte_sources.get(source.name)
            if not isinstance(step, Scope):
                return frozenset(), True
            if column.name in _selected(step):
                return self.column(step, column.name)
            return frozenset((table, ROWS) for table in self._tables(step)), False
        if isinstance(source, Scope):
            return self.column(source, column.name)
        if scope.parent and scope.is_subquery:
            # It refers to the query around it.
            return self._referred(scope.parent, column)
        # Such as what `unpivot` makes of many columns: no more is told than from where.
        return frozenset((table, ROWS) for table in self._named(scope)), False

    def _named(self, scope: Scope) -> frozenset[str]:
        """Tables that stand anywhere in a scope's text, or in the steps named there."""
        found: set[str] = set()
        for table in scope.expression.find_all(exp.Table):
            if table.db:
                found.add(f"{table.db}.{table.name}")
            elif isinstance(step := scope.cte_sources.get(table.name), Scope):
                found |= self._tables(step)
        return frozenset(found)

    def _tables(self, scope: Scope) -> frozenset[str]:
        """Tables whose rows a scope has: those that it or what it reads names."""
        if id(scope) not in self._counted:
            self._counted[id(scope)] = frozenset()  # A recursive query ends here.
            inner = list(scope.set_operation_scopes or [])
            found: set[str] = set()
            for _, source in scope.selected_sources.values():
                if isinstance(source, exp.Table):
                    found |= {f"{source.db}.{source.name}"} if source.db else set()
                else:
                    inner.append(source)
            self._counted[id(scope)] = frozenset(found).union(*map(self._tables, inner))
        return self._counted[id(scope)]


def _selected(scope: Scope) -> list[str]:
    """Names of the columns that a scope gives."""
    query = scope.expression
    return query.named_selects if isinstance(query, exp.Query) else []


def _valued(node: exp.Expr) -> list[exp.Expr]:
    """Parts of an expression that its value is computed of.

    Left out is what chooses rows or orders them; of `count(*) filter (where …)` the
    condition is all that there is.
    """
    if isinstance(node, exp.Filter):
        is_bare_count = isinstance(node.this, exp.Count) and not node.this.find(
            exp.Column
        )
        return [node.expression if is_bare_count else node.this]
    if isinstance(node, exp.Window | exp.ArgMin | exp.ArgMax | exp.Order):
        return [node.this] if node.this else []
    if isinstance(node, exp.WithinGroup):
        return [node.this, *(ordered.this for ordered in node.expression.expressions)]
    return list(node.iter_expressions())


def _joined(
    parts: list[tuple[frozenset[Origin], bool]],
) -> tuple[frozenset[Origin], bool]:
    origins: frozenset[Origin] = frozenset().union(*(found for found, _ in parts))
    return origins, all(is_renamed for _, is_renamed in parts)
