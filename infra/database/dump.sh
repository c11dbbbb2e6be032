#!/usr/bin/env bash
# Dumps the database into a file, in pg_dump's custom format: dump.sh DATABASE_URL FILE [--truth]
#
# DATABASE_URL is the owner's (`migrator`). All tables are dumped as of one moment, while everything serves and records. With --truth
# the rows of what derives from the truth are left out, the views with them: a rebuild brings them back.
set -euo pipefail

[[ $# -eq 2 || ( $# -eq 3 && $3 == --truth ) ]] || { echo "usage: ${0##*/} DATABASE_URL FILE [--truth]" >&2; exit 2; }

derived=(
    lp_capital_accounts lp_performance_snapshots lp_pooled_performance fund_performance
    # What is owed and what was done about what derives.
    touched_commitments pending_performance view_refreshes
    lp_dashboard_summary fund_lp_summary lp_performance_latest
)
options=()
if [[ $# -eq 3 ]]; then
    for table in "${derived[@]}"; do
        options+=(--exclude-table-data "public.$table")
    done
fi

# Row-level security is forced on the owner, whose policies show it everything; without the option pg_dump refuses. Extensions of the
# server's administrator are made where a database is made: docs/deploying.md.
pg_dump --dbname "$1" --file "$2" --format custom --enable-row-security --exclude-schema monitoring --extension btree_gin "${options[@]+"${options[@]}"}"
