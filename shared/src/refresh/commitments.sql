-- Every commitment of the LPs $1: those that are not owed anything enter the pools all the same.
select c.lp_id, c.fund_id, c.commitment_id, f.currency, c.commitment_date, c.commitment_amount_cents
from lp_fund_commitments c
join funds f on f.fund_id = c.fund_id
where c.lp_id = any ($1::bigint[])
order by c.lp_id, c.commitment_id
