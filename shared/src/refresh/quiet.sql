-- How long ago the last mark was made that a refresh by $1 (today) could clear, and whether a request is outstanding.
select extract(epoch from clock_timestamp() - max(t.marked_at))::float8 as quiet_seconds,
       exists (select from view_refreshes r where r.started_at is null) as is_requested
from touched_commitments t
where t.latest_date <= $1::date
