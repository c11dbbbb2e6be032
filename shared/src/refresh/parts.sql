-- The LPs from $1 to $2 in parts of at most $3.
select min(l.lp_id) as from_lp_id, max(l.lp_id) as to_lp_id
from (
    select o.lp_id, (row_number() over (order by o.lp_id) - 1) / $3::bigint as part
    from limited_partners o
    where o.lp_id between $1::bigint and $2::bigint
) l
group by l.part
order by l.part
