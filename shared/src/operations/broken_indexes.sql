-- What `reindex concurrently` leaves when it is broken off: the new index that was not finished, or the old one that was not dropped.
-- Nothing reads them, and every write keeps them up.
select quote_ident(i.relname) as quoted
from pg_index x
join pg_class i on i.oid = x.indexrelid
where i.relnamespace = 'public'::regnamespace and not x.indisvalid and i.relname ~ '_cc(new|old)[0-9]*$'
order by i.relname
