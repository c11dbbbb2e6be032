-- Whether the commitments in force of the fund $1 are not what its commitments and the entries that changed them add up to: 1 or 0.
select count(*) as drift_rows
from funds f
where f.fund_id = $1::bigint
  and f.commitments_in_force_cents
      <> coalesce((select sum(c.commitment_amount_cents) from lp_fund_commitments c where c.fund_id = f.fund_id), 0)
       + coalesce((select sum(e.unfunded_effect_cents) from capital_activities e
                   where e.fund_id = f.fund_id and e.cash_effect_cents = 0), 0)
