select i.indexrelname::text as name, pg_relation_size(i.indexrelid) as bytes, greatest(c.reltuples, 0)::bigint as rows
from pg_stat_user_indexes i
join pg_class c on c.oid = i.relid
order by bytes desc
limit 15
