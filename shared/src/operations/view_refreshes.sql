-- The last $1 refreshes of the views that were asked for or done, the newest first.
select r.refresh_id, r.cause, r.requested_at, r.started_at, r.finished_at,
       extract(epoch from r.finished_at - r.started_at)::double precision as seconds,
       r.as_of_date, r.marks_cleared, r.drift_rows, r.error
from view_refreshes r
order by r.refresh_id desc
limit $1::bigint
