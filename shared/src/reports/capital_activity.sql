-- One page of the LP's ledger, newest first. $1: LP, $2 and $3: only entries before this date and id, $4: first day, $5: the
-- most rows, $6: funds or none, $7: types or none, $8: metadata to contain, or null.
--
-- Each way of filtering has a branch with an index in the order of the page, of which it reads no more than the page from
-- each range. The tests on the parameters alone are one-time filters: of the four branches one runs.
--
-- The types asked for by name, and all there are when none is named.
with wanted as (
    select activity_type
    from unnest($7::text[]) as named (activity_type)
    union all
    select t.activity_type
    from activity_types t
    where cardinality($7::text[]) = 0
),
-- Where a filter has several ranges, only their keys are read, from the index alone.
key as (
    -- By type: one range for each.
    (select e.effective_date, e.activity_id
     from unnest($7::text[]) as named (activity_type)
     cross join lateral (
        select a.effective_date, a.activity_id
        from capital_activities a
        where a.lp_id = $1::bigint and a.activity_type = named.activity_type
          and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
        order by a.effective_date desc, a.activity_id desc
        limit $5::bigint
     ) e
     where cardinality($6::bigint[]) = 0 and $8::jsonb is null)
    union all
    -- By fund, with types or without: one range for each of the LP's commitments there and each type.
    (select e.effective_date, e.activity_id
     from lp_fund_commitments c
     cross join wanted w
     cross join lateral (
        select a.effective_date, a.activity_id
        from capital_activities a
        where a.lp_id = $1::bigint and a.commitment_id = c.commitment_id and a.activity_type = w.activity_type
          and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
        order by a.effective_date desc, a.activity_id desc
        limit $5::bigint
     ) e
     where cardinality($6::bigint[]) > 0 and $8::jsonb is null and c.lp_id = $1::bigint and c.fund_id = any($6::bigint[]))
    order by effective_date desc, activity_id desc
    limit $5::bigint
),
page as (
    -- Everything.
    (select a.activity_id, a.commitment_id, a.fund_id, a.activity_type, a.amount_cents, a.effective_date, a.recorded_at,
            a.description, a.reference_number, a.components, a.reverses_activity_id, a.metadata
     from capital_activities a
     where cardinality($6::bigint[]) = 0 and cardinality($7::text[]) = 0 and $8::jsonb is null
       and a.lp_id = $1::bigint
       and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
     order by a.effective_date desc, a.activity_id desc
     limit $5::bigint)
    union all
    -- The entries of the newest keys.
    (select e.activity_id, e.commitment_id, e.fund_id, e.activity_type, e.amount_cents, e.effective_date, e.recorded_at,
            e.description, e.reference_number, e.components, e.reverses_activity_id, e.metadata
     from key k
     cross join lateral (
        select a.activity_id, a.commitment_id, a.fund_id, a.activity_type, a.amount_cents, a.effective_date, a.recorded_at,
               a.description, a.reference_number, a.components, a.reverses_activity_id, a.metadata
        from capital_activities a
        where a.lp_id = $1::bigint and a.effective_date = k.effective_date and a.activity_id = k.activity_id
        limit 1
     ) e)
    union all
    -- By metadata, the rarest of filters: what contains it and is the LP's is found first, and the rest is applied to that. Of
    -- the table itself, below its policy, the index would find only what is the LP's.
    (select a.activity_id, a.commitment_id, a.fund_id, a.activity_type, a.amount_cents, a.effective_date, a.recorded_at,
            a.description, a.reference_number, a.components, a.reverses_activity_id, a.metadata
     from capital_activities_in_scope a
     where $8::jsonb is not null and a.metadata <> '{}' and a.metadata @> $8::jsonb
       and a.lp_id = $1::bigint
       and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
       and (cardinality($6::bigint[]) = 0 or a.fund_id = any($6::bigint[]))
       and a.activity_type = any(array(select activity_type from wanted))
     order by a.effective_date desc, a.activity_id desc
     limit $5::bigint)
)
select p.activity_id, p.commitment_id, p.fund_id, f.name as fund_name, f.currency,
       p.activity_type, p.amount_cents, p.effective_date, p.recorded_at,
       p.description, p.reference_number, p.components, p.reverses_activity_id,
       p.metadata
from limited_partners l
left join page p on true
left join funds f on f.fund_id = p.fund_id
where l.lp_id = $1::bigint
order by p.effective_date desc, p.activity_id desc
