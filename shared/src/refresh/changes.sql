-- Of the LPs $1 and for each commitment: the days on which the commitment in force changed.
select e.commitment_id, e.effective_date, sum(e.unfunded_effect_cents)::bigint as change_cents
from capital_activities e
where e.lp_id = any ($1::bigint[]) and e.cash_effect_cents = 0
group by e.commitment_id, e.effective_date
order by e.commitment_id, e.effective_date
