"""``run.duckdb``: views over the tables of a run, every one and every column with a comment.

Why views, by where the tables lie: the file stays small and takes no time to write, and nobody can
change a run through it. DuckDB looks for a path that is not absolute from wherever it is started,
so the paths are absolute, and a run that was moved or copied has its database written again
(``shadowdesk report RUN``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import duckdb

from simulator.errors import RunError
from simulator.schema.meanings import about, meaning

# Views that queries want: the tables they need, and their text.
VIEWS: dict[str, tuple[tuple[str, ...], str]] = {
    "replies": (
        ("shadow", "verdicts", "decision_points", "contexts", "conversations"),
        """
        SELECT candidate, conversation_id, turn, c.language, c.intent, x.question_kind, x.risk,
            x.needs_human, x.info_sufficient, x.emotion, p.text AS question, s.reply,
            p.reply AS our_reply, coalesce(s.action, v.action) AS action, s.score, v.commitment,
            v.risky_promise, v.over_answer, v.tone, v.evidence
        FROM shadow s
        LEFT JOIN verdicts v USING (candidate, conversation_id, turn)
        LEFT JOIN decision_points p USING (conversation_id, turn)
        LEFT JOIN contexts x USING (conversation_id, turn)
        LEFT JOIN conversations c USING (conversation_id)
        """,
    ),
    "ranges": (
        ("kpis", "costs"),
        """
        SELECT stage, candidate, segment, metric, any_value(unit) AS unit,
            max(estimate) FILTER (bound = 'best') AS best,
            max(estimate) FILTER (bound = 'central') AS central,
            max(estimate) FILTER (bound = 'worst') AS worst,
            max(low) FILTER (bound = 'central') AS central_low,
            max(high) FILTER (bound = 'central') AS central_high
        FROM (
            SELECT stage, candidate, segment, metric, unit, bound, estimate, low, high FROM kpis
            UNION ALL
            SELECT stage, candidate, segment, metric, unit, bound, estimate, low, high FROM costs
        )
        GROUP BY stage, candidate, segment, metric
        """,
    ),
}


def write(path: Path, tables: Mapping[str, Path]) -> None:
    """Write the database ``path``, whole or not at all.

    Args:
        path: of the database.
        tables: where the Parquet file of each table lies. Views of :data:`VIEWS` are written where
            all that they need is there.

    Raises:
        RunError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with duckdb.connect(str(temporary)) as connection:
            connection.execute("BEGIN")
            for name, source in tables.items():
                _view(connection, name, f"SELECT * FROM read_parquet({_text(source.resolve())})")
            for name, (needed, query) in VIEWS.items():
                if set(needed) <= tables.keys():
                    _view(connection, name, query)
            connection.execute("COMMIT")
        temporary.replace(path)
    except (OSError, duckdb.Error) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RunError(
            f"{path}: cannot be written: {error}; take away what stands in its place, or name "
            "another folder with --out DIR"
        ) from None


def _view(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    connection.execute(f'CREATE VIEW "{name}" AS {query}')
    connection.execute(f'COMMENT ON VIEW "{name}" IS {_text(about(name))}')
    for column, *_ in connection.execute(f'DESCRIBE "{name}"').fetchall():
        line = _text(meaning(name, column))
        connection.execute(f'COMMENT ON COLUMN "{name}"."{column}" IS {line}')


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
