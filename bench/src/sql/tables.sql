select c.relname::text as name, greatest(c.reltuples, 0)::bigint as rows,
       pg_table_size(c.oid) as heap_bytes, pg_indexes_size(c.oid) as index_bytes
from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'm')
order by pg_total_relation_size(c.oid) desc
limit 12
