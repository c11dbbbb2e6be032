-- Ends the grants that say this and stand, those to come included, from now on. $1: subject, $2: role, $3: LP or null, $4: fund or
-- null, $5: who takes it back.
update lp_access a
set revoked_by = $5::text, revoked_at = now()
where a.subject = $1::text
  and a.role = $2::text
  and a.lp_id is not distinct from $3::bigint
  and a.fund_id is not distinct from $4::bigint
  and a.revoked_at is null
