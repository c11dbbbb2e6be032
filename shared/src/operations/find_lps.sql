-- At most $3 LPs whose name holds $1, in whatever case, and whose metadata hold all of $2; null asks for nothing. There are thousands
-- at most, which are all read.
select l.lp_id, l.name
from limited_partners l
where ($1::text is null or position(lower($1) in lower(l.name)) > 0)
  and ($2::jsonb is null or l.metadata @> $2)
order by l.lp_id
limit $3::bigint
