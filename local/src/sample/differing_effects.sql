-- Entries whose effects or components are not those of their type, or whose components do not sum to their amount.
select count(*)
from capital_activities a
join activity_types t on t.activity_type = a.activity_type
left join lateral (
    select sum(c.value::bigint) as sum_cents, bool_and(c.key = any (t.components)) as known
    from jsonb_each_text(a.components) c
) parts on a.components is not null
where (a.cash_effect_cents, a.paid_in_effect_cents, a.distributed_effect_cents, a.unfunded_effect_cents)
      is distinct from (t.cash_sign * a.amount_cents, t.paid_in_sign * a.amount_cents,
                        t.distributed_sign * a.amount_cents, t.unfunded_sign * a.amount_cents)
   or a.components is not null and (parts.sum_cents, parts.known) is distinct from (a.amount_cents::numeric, true);
