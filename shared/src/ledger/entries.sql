-- $1: the entries. Their effects are their type's signs times the amount.
insert into capital_activities (
    activity_id, lp_id, fund_id, commitment_id, activity_type, amount_cents, effective_date, cash_effect_cents,
    paid_in_effect_cents, distributed_effect_cents, unfunded_effect_cents, components, description, reference_number,
    metadata, reverses_activity_id)
select e.activity_id, e.lp_id, e.fund_id, e.commitment_id, e.activity_type, e.amount_cents, e.effective_date,
       t.cash_sign * e.amount_cents, t.paid_in_sign * e.amount_cents, t.distributed_sign * e.amount_cents,
       t.unfunded_sign * e.amount_cents, e.components, e.description, e.reference_number, e.metadata, e.reverses_activity_id
from jsonb_to_recordset($1::jsonb) as e (
    activity_id bigint, lp_id bigint, fund_id bigint, commitment_id bigint, activity_type text, amount_cents bigint,
    effective_date date, components jsonb, description text, reference_number text, metadata jsonb,
    reverses_activity_id bigint)
join activity_types t on t.activity_type = e.activity_type
order by e.activity_id
