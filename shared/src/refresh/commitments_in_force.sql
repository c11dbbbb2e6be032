-- The commitments in force of the fund $1, from its commitments and the entries that changed them. Its row is locked.
update funds f
set commitments_in_force_cents = t.cents
from (
    select coalesce((select sum(c.commitment_amount_cents) from lp_fund_commitments c where c.fund_id = $1), 0)::bigint
         + coalesce((select sum(e.unfunded_effect_cents) from capital_activities e
                     where e.fund_id = $1 and e.cash_effect_cents = 0), 0)::bigint as cents
) t
where f.fund_id = $1 and f.commitments_in_force_cents <> t.cents
