-- $1: [{position, commitment_id, fund_id, activity_type}]. For each, in order: whose it is, in which currency, and what its
-- type is made of; nulls say what is not there.
select e.position, c.lp_id, f.fund_id, f.currency, t.components, t.cash_sign
from jsonb_to_recordset($1::jsonb) as e (position integer, commitment_id bigint, fund_id bigint, activity_type text)
left join lp_fund_commitments c on c.commitment_id = e.commitment_id
left join funds f on f.fund_id = coalesce(c.fund_id, e.fund_id)
left join activity_types t on t.activity_type = e.activity_type
order by e.position
