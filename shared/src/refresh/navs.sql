-- Of the LPs $1 and for each commitment: the report that counts for each date, the one reported last and of those the one recorded last.
select distinct on (n.commitment_id, n.as_of_date) n.commitment_id, n.as_of_date, n.nav_cents
from lp_fund_commitments c
join commitment_navs n on n.commitment_id = c.commitment_id
where c.lp_id = any ($1::bigint[])
order by n.commitment_id, n.as_of_date, n.reported_at desc, n.nav_id desc
