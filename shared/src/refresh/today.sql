-- What "today" means to the transaction: the day of a clock that is $1 seconds ahead, but never an earlier one than the views have
-- stood for. A refresh for a later day took the marks of all that is dated until then; were the views to go back, by a clock that was
-- set back or is another's, nothing would tell readers what they lack.
select set_config(
    'lp_reporting.clock_offset_seconds',
    ($1::bigint + 86400 * greatest(0, max(r.as_of_date) - ((now() + make_interval(secs => $1::bigint)) at time zone 'utc')::date))::text,
    true)
from view_refreshes r
