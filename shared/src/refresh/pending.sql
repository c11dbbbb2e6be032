-- What is owed to the LPs $1. Rows that arrive after this statement are not settled with these.
select p.pending_id, p.lp_id, p.fund_id, p.commitment_id, p.from_date
from pending_performance p
where p.lp_id = any ($1::bigint[])
order by p.pending_id
