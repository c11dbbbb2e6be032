-- The entitlement that lasts longest, and until when it may be believed: $3 seconds from now at most. An open one has no
-- end, and `least` passes over nulls.
select least(valid_to, now() + make_interval(secs => $3::double precision)) as believed_until
from lp_access
where subject = $1::text
  and lp_id = $2::bigint
  and valid_from <= now()
  and (valid_to is null or valid_to > now())
order by valid_to desc nulls first
limit 1
