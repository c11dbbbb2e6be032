#!/usr/bin/env bash
# Restores what dump.sh wrote into a new database: restore.sh ADMINISTRATOR_URL DATABASE_URL FILE
#
# DATABASE_URL names a database that is not there yet, for the role that will own it (`migrator`). ADMINISTRATOR_URL is that of any other
# database of the server, for who may create one. The server has the roles already: docs/restoring.md. After a failure drop the
# new database and begin again: what was restored by then stays in it.
set -euo pipefail

[[ $# -eq 3 ]] || { echo "usage: ${0##*/} ADMINISTRATOR_URL DATABASE_URL FILE" >&2; exit 2; }
administrator_url=$1 database_url=$2 file=$3
name=${database_url##*/}
name=${name%%\?*}

run() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set name="$name" "$1"; }

run "$administrator_url" <<< 'create database :"name" owner migrator'
# Of all that the migrations have set up this is the database's own, and in no dump.
run "$database_url" <<< 'revoke temporary on database :"name" from public'

# Rows come before the triggers, guards and policies, which are for rows to come. The views are filled last, with the rights of their
# owner, who sees through the policies only while they are not switched off, as pg_restore would.
pg_restore --dbname "$database_url" --enable-row-security --exit-on-error --jobs "${JOBS:-2}" "$file"

# A dump has no statistics, and does not say which pages index-only scans may pass over. The catalogue is not the owner's, who would be
# told so of every table in it.
PGOPTIONS="--client-min-messages=error" run "$database_url" <<< 'vacuum (analyze)'
