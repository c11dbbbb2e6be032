-- What is owed to the fund $1 itself.
select p.pending_id, p.from_date
from pending_performance p
where p.fund_id = $1 and p.lp_id is null
order by p.pending_id
