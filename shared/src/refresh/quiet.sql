-- How long ago the last mark was made that a refresh by $1 (today) could clear, and in how long the outstanding request is due.
select extract(epoch from clock_timestamp() - max(t.marked_at))::float8 as quiet_seconds,
       (select extract(epoch from r.due_at - clock_timestamp())::float8 from view_refreshes r where r.started_at is null)
           as due_in_seconds
from touched_commitments t
where t.latest_date <= $1::date
