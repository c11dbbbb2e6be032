-- Of the LPs $1 and for each commitment: the days with cash entries. A day whose entries cancel stays: something happened on it.
select e.commitment_id, e.effective_date,
       sum(e.cash_effect_cents)::bigint as cash_cents,
       sum(e.paid_in_effect_cents)::bigint as paid_in_cents,
       sum(e.distributed_effect_cents)::bigint as distributed_cents
from capital_activities e
where e.lp_id = any ($1::bigint[]) and e.cash_effect_cents <> 0
group by e.commitment_id, e.effective_date
order by e.commitment_id, e.effective_date
