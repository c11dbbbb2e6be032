-- One page of who looked at the LP, newest first. $1: LP, $2 and $3: only looks before this time and id, $4: the most rows.
--
-- Each month has an index in the order of the page, and months are read one after the other until the page is full. The row
-- comparison alone says nothing of months; beside it, those after the page are left out, and those that are yet to come.
select l.access_id, l.occurred_at, l.subject, l.route, l.outcome, l.request_id
from access_log l
where l.lp_id = $1::bigint
  and (l.occurred_at, l.access_id) < ($2::timestamptz, $3::bigint)
  and l.occurred_at <= $2::timestamptz and l.occurred_at <= now()
order by l.occurred_at desc, l.access_id desc
limit $4::bigint
