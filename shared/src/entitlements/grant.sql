-- Records a grant, unless the same stands already. $1: subject, $2: role, $3: LP or null, $4: fund or null, $5: who grants it,
-- $6: from, or null for now, $7: to, or null for good. Two at the same time may both record it; a revocation ends both.
insert into lp_access (subject, role, lp_id, fund_id, granted_by, valid_from, valid_to)
select $1::text, $2::text, $3::bigint, $4::bigint, $5::text, coalesce($6::timestamptz, now()), $7::timestamptz
where not exists (
    select from lp_access a
    where a.subject = $1::text
      and a.role = $2::text
      and a.lp_id is not distinct from $3::bigint
      and a.fund_id is not distinct from $4::bigint
      and a.valid_from <= coalesce($6::timestamptz, now())
      and a.valid_to is not distinct from $7::timestamptz
      and a.revoked_at is null
)
