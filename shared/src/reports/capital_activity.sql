-- One page of the LP's ledger, newest first. $1: LP, $2 and $3: only entries before this date and id, $4: first day, $5: the
-- most rows, $6: funds or none, $7: types or none, $8: metadata to contain, or null.
--
-- Each way of filtering has a branch with an index in the order of the page, of which it reads no more than the page. The
-- tests on the parameters alone are one-time filters: of the five branches one runs.
with candidate as (
    -- All of it.
    (select a as entry
     from capital_activities a
     where cardinality($6::bigint[]) = 0 and cardinality($7::text[]) = 0 and $8::jsonb is null
       and a.lp_id = $1::bigint
       and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
     order by a.effective_date desc, a.activity_id desc
     limit $5::bigint)
    union all
    -- By type: one range for each.
    (select e.entry
     from unnest($7::text[]) as t (activity_type)
     cross join lateral (
        select a as entry
        from capital_activities a
        where a.lp_id = $1::bigint and a.activity_type = t.activity_type
          and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
        order by a.effective_date desc, a.activity_id desc
        limit $5::bigint
     ) e
     where cardinality($6::bigint[]) = 0 and $8::jsonb is null)
    union all
    -- By fund: one range for each of the LP's commitments there.
    (select e.entry
     from lp_fund_commitments c
     cross join lateral (
        select a as entry
        from capital_activities a
        where a.lp_id = $1::bigint and a.commitment_id = c.commitment_id
          and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
        order by a.effective_date desc, a.activity_id desc
        limit $5::bigint
     ) e
     where cardinality($7::text[]) = 0 and $8::jsonb is null
       and c.lp_id = $1::bigint and c.fund_id = any($6::bigint[]))
    union all
    -- By fund and type: one range for each commitment and type.
    (select e.entry
     from lp_fund_commitments c
     cross join unnest($7::text[]) as t (activity_type)
     cross join lateral (
        select a as entry
        from capital_activities a
        where a.lp_id = $1::bigint and a.commitment_id = c.commitment_id and a.activity_type = t.activity_type
          and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
        order by a.effective_date desc, a.activity_id desc
        limit $5::bigint
     ) e
     where $8::jsonb is null and c.lp_id = $1::bigint and c.fund_id = any($6::bigint[]))
    union all
    -- By metadata, the rarest of filters: what contains it and is the LP's is found first, and the rest is applied to that.
    (select a as entry
     from capital_activities a
     where $8::jsonb is not null and a.metadata <> '{}' and a.metadata @> $8::jsonb
       and a.lp_id = $1::bigint
       and (a.effective_date, a.activity_id) < ($2::date, $3::bigint) and a.effective_date >= $4::date
       and (cardinality($6::bigint[]) = 0 or a.fund_id = any($6::bigint[]))
       and (cardinality($7::text[]) = 0 or a.activity_type = any($7::text[]))
     order by a.effective_date desc, a.activity_id desc
     limit $5::bigint)
),
-- The newest of the candidates.
page as (
    select entry
    from candidate
    order by (entry).effective_date desc, (entry).activity_id desc
    limit $5::bigint
)
select (p.entry).activity_id, (p.entry).commitment_id, (p.entry).fund_id, f.name as fund_name, f.currency,
       (p.entry).activity_type, (p.entry).amount_cents, (p.entry).effective_date, (p.entry).recorded_at,
       (p.entry).description, (p.entry).reference_number, (p.entry).components, (p.entry).reverses_activity_id,
       (p.entry).metadata
from limited_partners l
left join page p on true
left join funds f on f.fund_id = (p.entry).fund_id
where l.lp_id = $1::bigint
order by (p.entry).effective_date desc, (p.entry).activity_id desc
