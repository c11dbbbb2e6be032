select sum(c.reltuples)::bigint as rows, sum(pg_indexes_size(c.oid))::bigint as index_bytes,
       pg_database_size(current_database()) as database_bytes
from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and c.reltuples > 0
