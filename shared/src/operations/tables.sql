-- Every table and materialized view that takes at least $1 bytes with its indexes, the largest first; the partitions of a table are
-- added up under its name.
select coalesce(pg_partition_root(c.oid), c.oid)::regclass::text as name,
       sum(pg_table_size(c.oid))::bigint as table_bytes,
       sum(pg_indexes_size(c.oid))::bigint as index_bytes
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'm')
group by 1
having sum(pg_total_relation_size(c.oid)) >= $1::bigint
order by sum(pg_total_relation_size(c.oid)) desc, name
