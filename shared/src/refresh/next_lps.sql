-- The next $3 LPs from $1 to $2.
select l.lp_id
from limited_partners l
where l.lp_id between $1::bigint and $2::bigint
order by l.lp_id
limit $3::bigint
