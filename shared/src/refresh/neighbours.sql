-- The other LPs of the funds in which the LP $1 has a commitment, or had one until just now.
select distinct c.lp_id
from lp_fund_commitments c
where c.lp_id <> $1::bigint
  and c.fund_id in (
      select o.fund_id from lp_fund_commitments o where o.lp_id = $1::bigint
      union
      select p.fund_id from pending_performance p where p.lp_id = $1::bigint)
order by c.lp_id
