-- Every B-tree that is at least $1 bytes large, the largest first: smaller ones are mostly empty, and no matter. Those of other kinds
-- are not measured. An index that its table's rows are not read by, because its building was broken off, is none.
select i.relname::text as name, pg_relation_size(i.oid) as bytes
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_am a on a.oid = i.relam
where i.relnamespace = 'public'::regnamespace and i.relkind = 'i' and a.amname = 'btree' and x.indisvalid
  and pg_relation_size(i.oid) >= $1::bigint
order by bytes desc, name
