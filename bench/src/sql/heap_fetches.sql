select i.indexrelname::text as name, i.idx_tup_read as entries, i.idx_tup_fetch as fetched
from pg_stat_user_indexes i
where i.indexrelname = any ($1::text[])
order by 1
