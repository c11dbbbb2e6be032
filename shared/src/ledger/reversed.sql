-- $1: [{position, source, reverses_event_id}]. What each reversal would take back, as far as it is there, and whether
-- another entry has done so already.
select e.position, o.activity_id, o.commitment_id, o.activity_type, o.amount_cents, o.effective_date,
       o.reverses_activity_id is not null as is_reversal,
       exists (select from capital_activities x where x.reverses_activity_id = o.activity_id) as is_reversed
from jsonb_to_recordset($1::jsonb) as e (position integer, source text, reverses_event_id text)
left join received_events r on r.source = e.source and r.event_id = e.reverses_event_id
left join capital_activities o on o.activity_id = r.activity_id
order by e.position
